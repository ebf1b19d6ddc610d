package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
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

func TestAnswers(t *testing.T) {
	zipped := zip(t, strings.Repeat("hello ", 1000))
	long := strings.Repeat("0123456789", 5000)
	for _, test := range []struct {
		name, method, answer string
		status               int
		body                 string
		kept                 bool
	}{
		{name: "a body with its length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", kept: true},
		{name: "a body that is larger than the memory of a connection", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), status: 200, body: long, kept: true},
		{name: "no reason phrase", answer: "HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", status: 404, body: "no", kept: true},
		{name: "an empty body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, kept: true},
		{name: "the same length said twice", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", status: 200, body: "hello world", kept: true},
		{name: "one large chunk", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long), status: 200, body: long, kept: true},
		{name: "many small chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 5000) + "0\r\n\r\n", status: 200, body: strings.Repeat("x", 5000), kept: true},
		{name: "chunks and trailers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nPattern-Coverage: 1/2\r\n\r\n", status: 200, body: "ok", kept: true},
		{name: "until the connection closes", answer: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: "hello"},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "HTTP/1.0 with keep-alive", answer: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		{name: "connection: close", answer: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "204 without a body", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, kept: true},
		{name: "204 that announces a body", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", status: 204},
		{name: "304 has the length of what it does not send", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 300\r\n\r\n", status: 304, kept: true},
		{name: "HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", status: 200, kept: true},
		{name: "interim answers", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		{name: "gzip with a length", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zipped), zipped), status: 200, body: strings.Repeat("hello ", 1000), kept: true},
		{name: "gzip in chunks", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, zipped[:10], len(zipped)-10, zipped[10:]), status: 200, body: strings.Repeat("hello ", 1000), kept: true},
		{name: "gzip until the connection closes", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped, status: 200, body: strings.Repeat("hello ", 1000)},
		{name: "gzip of nothing at all", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 200, kept: true},
		{name: "garbage behind the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", status: 200, body: "ok"},
		{name: "garbage behind the chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 500 forged\r\n\r\n", status: 200, body: "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			handle := always(test.answer)
			if !test.kept {
				handle = once(test.answer)
			}
			s := serve(t, handle)
			p := pool(t, s.address(), Options{})
			const calls = 3
			for range calls {
				r := get("/")
				if test.method != "" {
					r.Method, r.Head = test.method, bytes.Replace(r.Head, []byte("GET"), []byte(test.method), 1)
				}
				status, body, err := fetch(p, r)
				require.NoError(t, err)
				assert.Equal(t, test.status, status)
				assert.Equal(t, test.body, body)
			}
			want := int64(calls)
			if test.kept {
				want = 1
			}
			assert.Equal(t, want, s.opened.Load(), "connections")
			p.Close()
			open, idle := p.Connections()
			assert.Zero(t, open)
			assert.Zero(t, idle)
			s.stop()
		})
	}
}

func TestInvalidAnswers(t *testing.T) {
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct{ name, answer, reason string }{
		{name: "no HTTP", answer: "SSH-2.0-OpenSSH_9.9\r\n", reason: "status line"},
		{name: "HTTP/2's preface", answer: "\x00\x00\x12\x04\x00\x00\x00\x00\x00", reason: "does not begin with HTTP/1"},
		{name: "HTTP/1.2", answer: "HTTP/1.2 200 OK\r\n\r\n", reason: "status line"},
		{name: "a status of two digits", answer: "HTTP/1.1 20 OK\r\n\r\n", reason: "status line"},
		{name: "a status of four digits", answer: "HTTP/1.1 2000 OK\r\n\r\n", reason: "status line"},
		{name: "a status below 100", answer: "HTTP/1.1 099 OK\r\n\r\n", reason: "status 099"},
		{name: "another protocol", answer: "HTTP/1.1 101 Switching\r\n\r\n", reason: "status 101"},
		{name: "interim answers without end", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), reason: "interim"},
		{name: "bare line feeds", answer: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", reason: "carriage return"},
		{name: "a bare carriage return in a value", answer: "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", reason: "control characters"},
		{name: "a zero byte", answer: "HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", reason: "control characters"},
		{name: "a header without a colon", answer: "HTTP/1.1 200 OK\r\nhello\r\n\r\n", reason: "header line"},
		{name: "a header without a name", answer: "HTTP/1.1 200 OK\r\n: x\r\n\r\n", reason: "header line"},
		{name: "space before the colon", answer: "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", reason: "header line"},
		{name: "a continued line", answer: "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n", reason: "header line"},
		{name: "an oversized head", answer: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", reason: "head of more than 32768 bytes"},
		{name: "an oversized head without a line", answer: "HTTP/1.1 " + strings.Repeat("2", 40<<10), reason: "head of more than 32768 bytes"},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", reason: "Content-Length"},
		{name: "a list of lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", reason: "Content-Length"},
		{name: "a negative length", answer: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", reason: "Content-Length"},
		{name: "a length with a sign", answer: "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", reason: "Content-Length"},
		{name: "a length beyond numbers", answer: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", reason: "Content-Length"},
		{name: "length and chunks", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "chunks in HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "chunks twice", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "another transfer coding", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "an empty chunk size", answer: chunks + "\r\n", reason: "size of a chunk"},
		{name: "a chunk size with a prefix", answer: chunks + "0x5\r\nhello\r\n0\r\n\r\n", reason: "size of a chunk"},
		{name: "a chunk size with a sign", answer: chunks + "-5\r\nhello\r\n0\r\n\r\n", reason: "size of a chunk"},
		{name: "a chunk size with an underscore", answer: chunks + "1_0\r\nhello\r\n0\r\n\r\n", reason: "size of a chunk"},
		{name: "a chunk size beyond numbers", answer: chunks + "ffffffffffffffff\r\nhello", reason: "size of a chunk"},
		{name: "a chunk that is longer than its size", answer: chunks + "2\r\nhello\r\n0\r\n\r\n", reason: "longer than its size"},
		{name: "a chunk line with a bare line feed", answer: chunks + "2\nok\r\n0\r\n\r\n", reason: "carriage return"},
		{name: "a chunk line without end", answer: chunks + strings.Repeat("0", 10<<10), reason: "line between chunks"},
		{name: "extensions without end", answer: chunks + strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\na\r\n", 10), reason: "extensions"},
		{name: "trailers without end", answer: chunks + "0\r\n" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 40), reason: "trailers of more than"},
		{name: "a trailer that is none", answer: chunks + "0\r\nhello\r\n\r\n", reason: "header line"},
		{name: "no gzip", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", reason: "gzip"},
		{name: "garbage behind gzip", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%shello", len(zip(t, "x"))+5, zip(t, "x")), reason: "gzip"},
		{name: "a coding that was not asked for", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", reason: `Content-Encoding "br"`},
		{name: "two codings", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", reason: "Content-Encoding"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			s := serve(t, always(test.answer))
			p := pool(t, s.address(), Options{})
			_, _, err := fetch(p, get("/"))
			var protocol *ProtocolError
			require.ErrorAs(t, err, &protocol)
			assert.Contains(t, protocol.Reason, test.reason)
			// Where it is the content that is wrong, the connection is not.
			if _, idle := p.Connections(); !strings.Contains(test.answer, "Content-Encoding") {
				assert.Zero(t, idle, "the connection is kept")
			}
			p.Close()
			s.stop()
		})
	}
}

func TestCutAnswers(t *testing.T) {
	for _, test := range []struct{ name, answer string }{
		{name: "nothing", answer: ""},
		{name: "in the status line", answer: "HTTP/1.1 2"},
		{name: "in a header", answer: "HTTP/1.1 200 OK\r\nContent-Le"},
		{name: "before the blank line", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"},
		{name: "after an interim answer", answer: "HTTP/1.1 100 Continue\r\n\r\n"},
		{name: "before the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{name: "in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"},
		{name: "in a large body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 20000)},
		{name: "in the size of a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5"},
		{name: "in a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"},
		{name: "behind a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
		{name: "before the last line", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
		{name: "in the trailers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b"},
		{name: "in gzip with a length", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zip(t, "hello")), zip(t, "hello")[:15])},
		{name: "in gzip's head", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			s := serve(t, once(test.answer))
			p := pool(t, s.address(), Options{})
			_, _, err := fetch(p, get("/"))
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			open, _ := p.Connections()
			assert.Zero(t, open)
			assert.EqualValues(t, 1, s.opened.Load(), "a connection that was new is not tried again")
			s.stop()
		})
	}
	t.Run("gzip that is cut without the connection knowing", func(t *testing.T) {
		s := serve(t, once("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n"+zip(t, "hello")[:15]))
		_, _, err := fetch(pool(t, s.address(), Options{}), get("/"))
		var protocol *ProtocolError
		require.ErrorAs(t, err, &protocol)
	})
}

func TestTrickle(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: u\r\n\r\n"
	s := serve(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		for {
			if r, _ := receive(in); r == nil {
				return
			}
			for i := range len(answer) {
				io.WriteString(c, answer[i:i+1]) // its own segment: there is no delay of Nagle's
			}
		}
	})
	p := pool(t, s.address(), Options{})
	for range 3 {
		var c Call
		r, err := p.Do(&c, get("/"))
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "hello world", string(body))
		assert.Equal(t, "b", r.Get("a"))
		assert.Equal(t, "u", r.Trailer("t"))
		r.Close()
	}
	assert.EqualValues(t, 1, s.opened.Load())
}

func TestHeaders(t *testing.T) {
	s := serve(t, always("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nPattern-Missing:  3;reason=\"timeout\" \r\nX-A: 1\r\nx-a: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nEmpty:\r\nContent-Length: 0\r\n\r\n"))
	p := pool(t, s.address(), Options{})
	var c Call
	r, err := p.Do(&c, get("/"))
	require.NoError(t, err)
	assert.Equal(t, "application/json", r.ContentType)
	assert.Equal(t, "application/json", r.Get("Content-Type"))
	assert.Equal(t, `3;reason="timeout"`, r.Get("pattern-missing"))
	assert.Equal(t, "1", r.Get("X-A"))
	assert.Equal(t, "0", r.Get("Content-Length"))
	assert.Empty(t, r.Get("Empty"))
	assert.Empty(t, r.Get("Missing"))
	assert.Zero(t, r.ContentLength)
	var all []string
	r.Each(func(name, value string) { all = append(all, name+"="+value) })
	assert.Equal(t, []string{"Content-Type=application/json", `Pattern-Missing=3;reason="timeout"`, "X-A=1", "x-a=2", "Empty="}, all)
	r.Close()
	assert.Empty(t, r.Get("X-A"), "after Close")
	_, err = r.Read(make([]byte, 1))
	assert.Error(t, err)
	r.Close() // does nothing
	_, idle := p.Connections()
	assert.Equal(t, 1, idle)
}

func TestRequests(t *testing.T) {
	type seen struct {
		method, target, host, extra, length string
		body                                string
	}
	got := make(chan seen, 1)
	s := serve(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		for {
			r, body := receive(in)
			if r == nil {
				return
			}
			got <- seen{r.Method, r.RequestURI, r.Host, r.Header.Get("Pattern-Attempt"), r.Header.Get("Content-Length"), string(body)}
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	p := pool(t, s.address(), Options{})
	large := strings.Repeat("x", 3<<20)
	for _, test := range []struct {
		name, method, body, length string
	}{
		{name: "GET without a body says no length", method: "GET"},
		{name: "GET with a body", method: "GET", body: "abc", length: "3"},
		{name: "POST without a body says so", method: "POST", length: "0"},
		{name: "POST", method: "POST", body: "hello", length: "5"},
		{name: "a body that fits just not in the memory of a connection", method: "POST", body: large[:connBytes], length: fmt.Sprint(connBytes)},
		{name: "a body larger than what the system takes at once", method: "PUT", body: large, length: fmt.Sprint(len(large))},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, _, err := fetch(p, &Request{Method: test.method, Head: []byte(test.method + " /a?b=c HTTP/1.1\r\nHost: leaf.example\r\n"),
				Extra: []byte("Pattern-Attempt: 2\r\n"), Body: []byte(test.body), Deadline: time.Now().Add(patience)})
			require.NoError(t, err)
			assert.Equal(t, 204, status)
			assert.Equal(t, seen{test.method, "/a?b=c", "leaf.example", "2", test.length, test.body}, <-got)
		})
	}
	assert.EqualValues(t, 1, s.opened.Load(), "all by one connection")
	t.Run("a head larger than the memory of a connection", func(t *testing.T) {
		r := get("/a?b=c")
		r.Head = append(r.Head, "Cookie: "+strings.Repeat("c", 2*connBytes)+"\r\n"...)
		status, _, err := fetch(p, r)
		require.NoError(t, err)
		assert.Equal(t, 204, status)
		<-got
	})
}

func TestEarlyAnswer(t *testing.T) {
	quietly(t)
	release := make(chan struct{})
	s := serve(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		in.Peek(1)
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-release // it reads no more, and does not close either
	})
	p := pool(t, s.address(), Options{})
	r := get("/")
	r.Method, r.Body = "POST", make([]byte, 64<<20)
	status, body, err := fetch(p, r)
	require.NoError(t, err)
	assert.Equal(t, 413, status)
	assert.Equal(t, "no", body)
	open, _ := p.Connections()
	assert.Zero(t, open, "a connection with half a request is not kept")
	close(release)
	s.stop()
}

func TestTooLarge(t *testing.T) {
	bomb := zip(t, strings.Repeat("\x00", 64<<20))
	for _, test := range []struct {
		name, answer string
		limit        int64
		fits         bool
	}{
		{name: "a length above the limit", limit: 10, answer: "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"},
		{name: "a length at the limit", limit: 11, fits: true, answer: "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"},
		{name: "chunks above the limit", limit: 10, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"},
		{name: "chunks at the limit", limit: 11, fits: true, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"},
		{name: "a decompression bomb", limit: 1 << 20, answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(bomb), bomb)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, always(test.answer))
			p := pool(t, s.address(), Options{})
			var c Call
			r, err := p.Do(&c, get("/"))
			require.NoError(t, err)
			b := NewBuffer()
			err = r.ReadAll(test.limit, b)
			assert.LessOrEqual(t, cap(b.B), 4<<20, "memory")
			if test.fits {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, ErrTooLarge)
			}
			b.Free()
			r.Close()
			if !test.fits && test.limit > 100 {
				open, _ := p.Connections()
				assert.Zero(t, open)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	for _, test := range []struct{ name, answer string }{
		{name: "no answer"},
		{name: "half a head", answer: "HTTP/1.1 200 OK\r\nConte"},
		{name: "half a body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"},
		{name: "half a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"},
		{name: "gzip that goes on", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			s := serve(t, always(test.answer))
			p := pool(t, s.address(), Options{})
			r := get("/")
			r.Deadline = time.Now().Add(30 * time.Millisecond)
			_, _, err := fetch(p, r)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			open, _ := p.Connections()
			assert.Zero(t, open)
			s.stop()
		})
	}
	t.Run("a deadline that is over before the call", func(t *testing.T) {
		s := serve(t, always("HTTP/1.1 204 No Content\r\n\r\n"))
		p := pool(t, s.address(), Options{})
		r := get("/")
		r.Deadline = time.Now().Add(-time.Second)
		_, _, err := fetch(p, r)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var dial *DialError
		assert.ErrorAs(t, err, &dial)
	})
	t.Run("the deadline of one call is not that of the next", func(t *testing.T) {
		s := serve(t, always("HTTP/1.1 204 No Content\r\n\r\n"))
		p := pool(t, s.address(), Options{})
		r := get("/")
		r.Deadline = time.Now().Add(50 * time.Millisecond)
		_, _, err := fetch(p, r)
		require.NoError(t, err)
		<-time.After(60 * time.Millisecond)
		r.Deadline = time.Time{}
		_, _, err = fetch(p, r)
		require.NoError(t, err)
		assert.EqualValues(t, 1, s.opened.Load())
	})
}

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	_, _, err = fetch(pool(t, address, Options{}), get("/"))
	var dial *DialError
	require.ErrorAs(t, err, &dial)
	assert.Equal(t, address, dial.Address)
	assert.True(t, errors.Is(err, dial.Err))
	assert.Contains(t, err.Error(), "refused")
}
