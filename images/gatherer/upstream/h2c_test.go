package upstream

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveH2C is net/http's server: it echoes a request's body, or says a fixed text.
func serveH2C(t *testing.T, text string) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stall":
			<-r.Context().Done()
		case "/half":
			io.WriteString(w, "hel")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/abort":
			io.WriteString(w, "hel")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, zip(t, text))
		case "/echo":
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Trailer", "Pattern-Coverage")
			w.Header().Set("X-Seen", r.Method+" "+r.Host+" "+r.URL.RequestURI()+" "+r.Header.Get("Pattern-Attempt")+" "+r.Header.Get("User-Agent"))
			io.Copy(w, r.Body)
			w.Header().Set("Pattern-Coverage", "1/1")
		default:
			io.WriteString(w, text)
		}
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestH2C(t *testing.T) {
	s := serveH2C(t, strings.Repeat("hello ", 1000))
	address := s.Listener.Addr().String()
	p := pool(t, address, Options{Protocol: H2C})

	t.Run("a call", func(t *testing.T) {
		var c Call
		r, err := p.Do(&c, &Request{Method: "POST", Head: []byte("POST /echo?a=b HTTP/1.1\r\nHost: leaf\r\n"), Extra: []byte("Pattern-Attempt: 2\r\n"), Body: []byte("hello")})
		require.NoError(t, err)
		defer r.Close()
		assert.Equal(t, 200, r.Status)
		assert.Equal(t, "text/plain", r.ContentType)
		assert.Equal(t, "POST leaf /echo?a=b 2 ", r.Get("x-seen"))
		b := NewBuffer()
		require.NoError(t, r.ReadAll(5, b))
		assert.Equal(t, "hello", string(b.B))
		assert.Equal(t, "1/1", r.Trailer("pattern-coverage"))
	})
	t.Run("gzip, and its limit", func(t *testing.T) {
		_, body, err := fetch(p, get("/gzip"))
		require.NoError(t, err)
		assert.Len(t, body, 6000)
		var c Call
		r, err := p.Do(&c, get("/gzip"))
		require.NoError(t, err)
		defer r.Close()
		assert.ErrorIs(t, r.ReadAll(5999, NewBuffer()), ErrTooLarge)
	})
	for _, path := range []string{"/stall", "/half"} {
		t.Run("the deadline of "+path, func(t *testing.T) {
			r := get(path)
			r.Deadline = time.Now().Add(30 * time.Millisecond)
			_, _, err := fetch(p, r)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
		t.Run("cancelling "+path, func(t *testing.T) {
			var c Call
			time.AfterFunc(20*time.Millisecond, c.Cancel)
			r, err := p.Do(&c, get(path))
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			assert.ErrorIs(t, err, ErrCancelled)
		})
	}
	t.Run("a stream that breaks", func(t *testing.T) {
		_, body, err := fetch(p, get("/abort"))
		assert.Error(t, err)
		assert.Equal(t, "hel", body)
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		l.Close()
		_, _, err = fetch(pool(t, l.Addr().String(), Options{Protocol: H2C}), get("/"))
		var dial *DialError
		assert.ErrorAs(t, err, &dial)
	})
}
