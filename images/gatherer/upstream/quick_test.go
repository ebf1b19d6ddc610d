package upstream

import (
	"bufio"
	"net"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inPieces serves as the servers of Python's and PHP's standard libraries do: the head of an answer, then its body, each in
// pieces of their own, and without TCP_NODELAY.
func inPieces(t *testing.T, pieces ...string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.(*net.TCPConn).SetNoDelay(false)
				in := bufio.NewReader(c)
				for {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					for _, piece := range pieces {
						if _, err := c.Write([]byte(piece)); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestAnAnswerInPiecesIsNotWaitedFor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a receiver say when it acknowledges")
	}
	for name, pieces := range map[string][]string{
		"a length": {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "abc", "def"},
		"chunks":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\n", "abc", "\r\n3\r\n", "def", "\r\n0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			address := inPieces(t, pieces...)
			p := New(address, Options{})
			defer p.Close()
			var took []time.Duration
			for range 21 {
				begun := time.Now()
				var c Call
				r, err := p.Do(&c, get("/"))
				require.NoError(t, err)
				b := NewBuffer()
				require.NoError(t, r.ReadAll(100, b))
				assert.Equal(t, "abcdef", string(b.B))
				b.Free()
				r.Close()
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			assert.Less(t, took[10], 30*time.Millisecond, "a kernel delays acknowledgements by 40 ms: %v", took)
		})
	}
}
