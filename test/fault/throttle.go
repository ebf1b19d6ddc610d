package fault

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// A throttle is a connection to a server that has little bandwidth.
type throttle struct {
	listener net.Listener
	target   string
	// bytesPerSecond of all that is sent to the server; 0 for no limit.
	bytesPerSecond atomic.Int64
	next           atomic.Int64 // when the line is free again, in Unix nanoseconds
}

func newThrottle(t testing.TB, target string, bytesPerSecond int64) *throttle {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	th := &throttle{listener: listener, target: target}
	th.bytesPerSecond.Store(bytesPerSecond)
	go th.serve()
	return th
}

func (th *throttle) address() string { return th.listener.Addr().String() }

func (th *throttle) serve() {
	for {
		client, err := th.listener.Accept()
		if err != nil {
			return
		}
		go th.join(client)
	}
}

func (th *throttle) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", th.target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	_, _ = io.Copy(slow{th, server}, client)
}

// slow takes its time for each write, and so the writer's buffers fill up.
type slow struct {
	*throttle
	to io.Writer
}

func (s slow) Write(data []byte) (int, error) {
	if rate := s.bytesPerSecond.Load(); rate > 0 {
		cost := int64(len(data)) * int64(time.Second) / rate
		free := max(s.next.Load(), time.Now().UnixNano()) + cost
		s.next.Store(free)
		<-time.After(time.Until(time.Unix(0, free)))
	}
	return s.to.Write(data)
}
