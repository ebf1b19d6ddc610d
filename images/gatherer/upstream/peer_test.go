package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const patience = 10 * time.Second

// peer is a TCP server that does what a test says with each of its connections.
type peer struct {
	net.Listener
	opened atomic.Int64
	now    atomic.Int64
	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]bool
}

func serve(t testing.TB, handle func(number int64, c net.Conn, in *bufio.Reader)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &peer{Listener: l, conns: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			number := p.opened.Add(1)
			p.now.Add(1)
			p.mu.Lock()
			p.conns[c] = true
			p.mu.Unlock()
			p.wg.Go(func() {
				defer func() {
					c.Close()
					p.mu.Lock()
					delete(p.conns, c)
					p.mu.Unlock()
					p.now.Add(-1)
				}()
				handle(number, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *peer) stop() {
	p.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *peer) address() string { return p.Addr().String() }

// receive a request with net/http's parser, which is not ours. Nil at the end of the connection.
func receive(in *bufio.Reader) (*http.Request, []byte) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil
	}
	return r, body
}

// always answer each request with the same bytes; the connection stays open.
func always(answer string) func(int64, net.Conn, *bufio.Reader) {
	return func(_ int64, c net.Conn, in *bufio.Reader) {
		for {
			if r, _ := receive(in); r == nil {
				return
			}
			io.WriteString(c, answer)
		}
	}
}

// once answers one request, and closes.
func once(answer string) func(int64, net.Conn, *bufio.Reader) {
	return func(_ int64, c net.Conn, in *bufio.Reader) {
		if r, _ := receive(in); r != nil {
			io.WriteString(c, answer)
		}
	}
}

func get(path string) *Request {
	return &Request{Method: "GET", Head: []byte("GET " + path + " HTTP/1.1\r\nHost: leaf\r\n"), Deadline: time.Now().Add(patience)}
}

// fetch does a whole call.
func fetch(p *Pool, r *Request) (status int, body string, err error) {
	var c Call
	response, err := p.Do(&c, r)
	if err != nil {
		return 0, "", err
	}
	defer response.Close()
	b := NewBuffer()
	defer b.Free()
	err = response.ReadAll(1<<20, b)
	return response.Status, string(b.B), err
}

func pool(t testing.TB, address string, o Options) *Pool {
	p := New(address, o)
	t.Cleanup(p.Close)
	return p
}

// quietly checks that a test leaves no goroutine.
func quietly(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		// Not by Eventually, which has goroutines of its own.
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(end); {
			<-time.After(time.Millisecond)
		}
		assert.LessOrEqual(t, runtime.NumGoroutine(), before, "goroutines are left")
	})
}

func zip(t testing.TB, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}
