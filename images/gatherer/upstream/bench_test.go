//go:build unix

package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkCall compares a call of a Pool with one of net/http's Transport. The peer is in the same process and costs both the
// same: it looks for the end of a request's head and writes a fixed answer.
func BenchmarkCall(b *testing.B) {
	for _, size := range []int{200, 20_000} {
		answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
		s := serve(b, func(_ int64, c net.Conn, _ *bufio.Reader) {
			buf := make([]byte, 4096)
			for {
				n := 0
				for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
					m, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					n += m
				}
				c.Write(answer)
			}
		})
		head := []byte("GET /search?q=hello HTTP/1.1\r\nHost: leaf\r\nAccept: application/json\r\nPattern-Shards: 8\r\n")
		extra := []byte("Pattern-Deadline: 900\r\nPattern-Attempt: 1\r\nPattern-Shard: 3\r\n")
		for _, parallel := range []int{1, 64} {
			name := fmt.Sprintf("%dB/%d-at-once/", size, parallel)
			b.Run(name+"pool", func(b *testing.B) {
				p := pool(b, s.address(), Options{})
				measure(b, parallel, func() error {
					var c Call
					r, err := p.Do(&c, &Request{Method: "GET", Head: head, Extra: extra, Deadline: time.Now().Add(time.Second)})
					if err != nil {
						return err
					}
					into := NewBuffer()
					err = r.ReadAll(1<<20, into)
					if len(into.B) != size {
						return fmt.Errorf("%d bytes", len(into.B))
					}
					r.Close()
					into.Free()
					return err
				})
			})
			b.Run(name+"net-http", func(b *testing.B) {
				transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
				defer transport.CloseIdleConnections()
				measure(b, parallel, func() error {
					r, err := http.NewRequestWithContext(b.Context(), "GET", "http://"+s.address()+"/search?q=hello", nil)
					if err != nil {
						return err
					}
					r.Header.Set("Accept", "application/json")
					r.Header.Set("Pattern-Shards", "8")
					r.Header.Set("Pattern-Deadline", "900")
					r.Header.Set("Pattern-Attempt", "1")
					r.Header.Set("Pattern-Shard", "3")
					response, err := transport.RoundTrip(r)
					if err != nil {
						return err
					}
					_, err = io.ReadAll(response.Body)
					response.Body.Close()
					return err
				})
			})
		}
	}
}

// measure calls, and what the process (with the peer) needs of the processors.
func measure(b *testing.B, parallel int, call func() error) {
	b.ReportAllocs()
	b.SetParallelism(parallel)
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if parallel == 1 {
		for range b.N {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	b.StopTimer()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
}
