package upstream

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// poll until a condition holds.
func poll(t *testing.T, condition func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); {
		require.True(t, time.Now().Before(end), what)
		<-time.After(time.Millisecond)
	}
}

func TestStale(t *testing.T) {
	for _, test := range []struct {
		name   string
		second func(c net.Conn, in *bufio.Reader) // what becomes of the first connection after an answer
		seen   bool                               // it can be seen before the next call
		fails  error
	}{
		{name: "the peer has closed", seen: true, second: func(net.Conn, *bufio.Reader) {}},
		{name: "the peer has closed one way", seen: true, second: func(c net.Conn, in *bufio.Reader) {
			c.(*net.TCPConn).CloseWrite()
			in.Peek(1)
		}},
		{name: "the peer has sent what nobody asked for", seen: true, second: func(c net.Conn, in *bufio.Reader) {
			io.WriteString(c, "HTTP/1.1 500 forged\r\nContent-Length: 0\r\n\r\n")
			in.Peek(1)
		}},
		{name: "the peer closes when the request comes", second: func(_ net.Conn, in *bufio.Reader) { in.Peek(1) }},
		{name: "the peer resets when the request comes", second: func(c net.Conn, in *bufio.Reader) {
			in.Peek(1)
			c.(*net.TCPConn).SetLinger(0)
		}},
		{name: "the peer closes in the answer", fails: io.ErrUnexpectedEOF, second: func(c net.Conn, in *bufio.Reader) {
			receive(in)
			io.WriteString(c, "HTTP/1.1 200")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			answered := make(chan struct{})
			s := serve(t, func(number int64, c net.Conn, in *bufio.Reader) {
				receive(in)
				io.WriteString(c, ok)
				if number == 1 {
					<-answered
					test.second(c, in)
					return
				}
				always(ok)(number, c, in)
			})
			p := pool(t, s.address(), Options{})
			_, _, err := fetch(p, get("/"))
			require.NoError(t, err)
			require.Len(t, p.idle, 1)
			close(answered)
			if test.seen {
				poll(t, func() bool { return !p.idle[0].quiet() }, "it is not seen")
			}
			status, body, err := fetch(p, get("/"))
			if test.fails != nil {
				assert.ErrorIs(t, err, test.fails)
			} else {
				require.NoError(t, err)
				assert.Equal(t, "200 ok", fmt.Sprint(status, " ", body))
				assert.EqualValues(t, 2, s.opened.Load())
			}
			p.Close()
			open, _ := p.Connections()
			assert.Zero(t, open)
			s.stop()
		})
	}
	t.Run("a peer that closes all connections is tried once more, and not for ever", func(t *testing.T) {
		s := serve(t, func(number int64, c net.Conn, in *bufio.Reader) {
			receive(in)
			if number == 1 {
				io.WriteString(c, ok)
				in.Peek(1)
			}
		})
		p := pool(t, s.address(), Options{})
		_, _, err := fetch(p, get("/"))
		require.NoError(t, err)
		_, _, err = fetch(p, get("/"))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.EqualValues(t, 2, s.opened.Load())
	})
}

func TestIdle(t *testing.T) {
	t.Run("idle connections are closed after their time", func(t *testing.T) {
		quietly(t)
		s := serve(t, always(ok))
		p := pool(t, s.address(), Options{IdleTimeout: 20 * time.Millisecond})
		for range 2 {
			_, _, err := fetch(p, get("/"))
			require.NoError(t, err)
			poll(t, func() bool { open, idle := p.Connections(); return open == 0 && idle == 0 }, "it stays open")
			poll(t, func() bool { return s.now.Load() == 0 }, "the peer does not see it closed")
		}
		s.stop()
	})
	t.Run("no more than MaxIdle are kept", func(t *testing.T) {
		s := serve(t, always(ok))
		p := pool(t, s.address(), Options{MaxIdle: 2})
		var calls [5]Call
		var responses []*Response
		for i := range calls {
			r, err := p.Do(&calls[i], get("/"))
			require.NoError(t, err)
			responses = append(responses, r)
		}
		for _, r := range responses {
			r.Close()
		}
		open, idle := p.Connections()
		assert.Equal(t, 2, open)
		assert.Equal(t, 2, idle)
	})
	t.Run("after Close nothing is kept, and calls work", func(t *testing.T) {
		s := serve(t, always(ok))
		p := pool(t, s.address(), Options{})
		var c Call
		r, err := p.Do(&c, get("/"))
		require.NoError(t, err)
		p.Close()
		r.Close()
		_, _, err = fetch(p, get("/"))
		require.NoError(t, err)
		open, _ := p.Connections()
		assert.Zero(t, open)
	})
	t.Run("an answer that is closed unread is kept if it is here, else not", func(t *testing.T) {
		s := serve(t, func(_ int64, c net.Conn, in *bufio.Reader) {
			for {
				r, _ := receive(in)
				switch {
				case r == nil:
					return
				case r.URL.Path == "/short":
					io.WriteString(c, "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
				default:
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello")
				}
			}
		})
		p := pool(t, s.address(), Options{})
		for path, want := range map[string]int{"/short": 1, "/long": 0} {
			var c Call
			r, err := p.Do(&c, get(path))
			require.NoError(t, err)
			r.Close()
			_, idle := p.Connections()
			assert.Equal(t, want, idle, path)
		}
	})
}

func TestCancel(t *testing.T) {
	for _, protocol := range []string{HTTP1, H2C} {
		t.Run(protocol+": before Do", func(t *testing.T) {
			p := pool(t, "127.0.0.1:1", Options{Protocol: protocol})
			var c Call
			c.Cancel()
			_, err := p.Do(&c, get("/"))
			assert.ErrorIs(t, err, ErrCancelled)
		})
	}
	for _, test := range []struct{ name, answer string }{
		{name: "while the answer is waited for"},
		{name: "in the head", answer: "HTTP/1.1 200 OK\r\n"},
		{name: "in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"},
		{name: "in a compressed body", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			asked := make(chan bool, 1)
			s := serve(t, func(_ int64, c net.Conn, in *bufio.Reader) {
				receive(in)
				io.WriteString(c, test.answer)
				asked <- true
				in.Peek(1)
			})
			p := pool(t, s.address(), Options{})
			var c Call
			go func() {
				<-asked
				c.Cancel()
			}()
			r, err := p.Do(&c, get("/"))
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			assert.ErrorIs(t, err, ErrCancelled)
			open, _ := p.Connections()
			assert.Zero(t, open)
			s.stop()
		})
	}
	t.Run("after Close it does not touch the connection", func(t *testing.T) {
		s := serve(t, always(ok))
		p := pool(t, s.address(), Options{})
		var c Call
		r, err := p.Do(&c, get("/"))
		require.NoError(t, err)
		r.Close()
		c.Cancel()
		_, _, err = fetch(p, get("/"))
		require.NoError(t, err)
		assert.EqualValues(t, 1, s.opened.Load())
	})
	t.Run("while a large body is sent that nobody reads", func(t *testing.T) {
		quietly(t)
		s := serve(t, func(_ int64, c net.Conn, in *bufio.Reader) { in.Peek(1); <-time.After(20 * time.Millisecond) })
		p := pool(t, s.address(), Options{})
		var c Call
		time.AfterFunc(5*time.Millisecond, c.Cancel)
		r := get("/")
		r.Method, r.Body = "POST", make([]byte, 64<<20)
		_, err := p.Do(&c, r)
		assert.ErrorIs(t, err, ErrCancelled)
		s.stop()
	})
}

// TestCancelRaces cancels many calls at moments of no choice, and then counts what is left.
func TestCancelRaces(t *testing.T) {
	for _, protocol := range []string{HTTP1, H2C} {
		t.Run(protocol, func(t *testing.T) {
			quietly(t)
			body := strings.Repeat("x", 20000)
			var address string
			var stop func()
			var opened func() int64
			if protocol == HTTP1 {
				s := serve(t, always(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
				address, stop, opened = s.address(), s.stop, s.now.Load
			} else {
				s := serveH2C(t, body)
				address, stop = s.Listener.Addr().String(), s.Close
			}
			p := pool(t, address, Options{Protocol: protocol})
			const workers, calls = 8, 200
			var wg sync.WaitGroup
			var answered, cancelled sync.Map
			for w := range workers {
				wg.Go(func() {
					for i := range calls {
						var c Call
						timer := time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, c.Cancel)
						r, err := p.Do(&c, get("/"))
						if err == nil {
							b := NewBuffer()
							if err = r.ReadAll(1<<20, b); err == nil {
								assert.Equal(t, body, string(b.B))
							}
							b.Free()
							r.Close()
						}
						timer.Stop()
						if err == nil {
							answered.Store(w*calls+i, true)
						} else if assert.ErrorIs(t, err, ErrCancelled) {
							cancelled.Store(w*calls+i, true)
						}
					}
				})
			}
			wg.Wait()
			if protocol == HTTP1 {
				open, idle := p.Connections()
				assert.Equal(t, open, idle, "connections that nobody has")
				poll(t, func() bool { return opened() == int64(open) }, "the peer has other connections than we")
			}
			p.Close()
			stop()
		})
	}
}
