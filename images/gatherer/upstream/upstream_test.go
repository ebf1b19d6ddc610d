package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
		_, _, err := fetch(p, get("/"))
		require.NoError(t, err)
		r := get("/")
		r.Deadline = time.Now().Add(-time.Second)
		_, _, err = fetch(p, r)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, idle := p.Connections()
		assert.Equal(t, 1, idle, "it is no reason to close a connection")
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
