package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pieces is a connection by which given bytes come, some at a time.
type pieces struct {
	net.Conn
	left []byte
	size int
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.left)
	c.left = c.left[n:]
	return n, nil
}
func (c *pieces) Write(p []byte) (int, error) { return len(p), nil }
func (c *pieces) Close() error                { return nil }
func (c *pieces) SetDeadline(time.Time) error { return nil }

// FuzzResponse reads what is no answer, or nearly one: it never panics, how the bytes are cut into reads makes no difference,
// and what is accepted net/http accepts as well, with the same body.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		ok,
		"HTTP/1.1 200 OK\r\n\r\nhello",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\nrest",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip(f, "hello"),
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
		"HTTP/1.1 200 OK\nA: b\n\nabc",
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			f.Add([]byte(seed), size)
		}
	}
	read := func(data []byte, size int) (status int, body, trailer string, err error) {
		p := New("fuzz", Options{HeaderBytes: 4096})
		p.open++
		var c Call
		r, err := p.ask(newConn(&pieces{left: data, size: size}, p), &c, get("/"))
		if err != nil {
			return 0, "", "", err
		}
		b := NewBuffer()
		err = r.ReadAll(1<<20, b)
		r.Each(func(string, string) {})
		body, trailer, status = string(b.B), r.Trailer("T"), r.Status
		b.Free()
		r.Close()
		open, idle := p.Connections()
		if open != idle {
			panic("a connection is lost")
		}
		return status, body, trailer, err
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(1, size)
		status, body, trailer, err := read(data, size)
		for _, other := range []int{1, 1 << 20} {
			status2, body2, trailer2, err2 := read(data, other)
			require.Equal(t, err == nil, err2 == nil, "%v, but in pieces of %d: %v", err, other, err2)
			if err == nil {
				require.Equal(t, []any{status, body, trailer}, []any{status2, body2, trailer2})
			}
		}
		if err != nil {
			return
		}
		in := bufio.NewReader(bytes.NewReader(data))
		for {
			theirs, err := http.ReadResponse(in, &http.Request{Method: "GET"})
			require.NoError(t, err, "net/http refuses it")
			if theirs.StatusCode < 200 {
				continue
			}
			assert.Equal(t, theirs.StatusCode, status)
			if theirs.Header.Get("Content-Encoding") != "" {
				return
			}
			body2, err := io.ReadAll(theirs.Body)
			require.NoError(t, err, "net/http refuses the body")
			theirs.Body.Close()
			assert.Equal(t, string(body2), body)
			return
		}
	})
}
