package upstream

import (
	"net"
	"sync/atomic"
	"syscall"
)

// smallBytes is what may be less than a segment, which a sender keeps until the one before it is acknowledged.
const smallBytes = 4 << 10

// quick is a connection that acknowledges small pieces before it waits for the next one.
type quick struct {
	*net.TCPConn
	raw   syscall.RawConn
	now   func(fd uintptr)
	small atomic.Bool // the last piece
}

// Quick makes a connection acknowledge what comes in small pieces at once. Servers that write the head of an answer and then its
// body, without TCP_NODELAY, as those of Python's standard library do, have the second wait for the acknowledgement of the
// first (Nagle, RFC 896), which a kernel delays: by 40 ms on Linux (tcp(7), TCP_QUICKACK). An answer that comes in one piece
// costs nothing more.
func Quick(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok || quickAck == nil {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return &quick{TCPConn: tcp, raw: raw, now: quickAck}
}

// Read may be called by one goroutine at a time.
func (q *quick) Read(p []byte) (int, error) {
	if q.small.Load() {
		_ = q.raw.Control(q.now) // Read says it
	}
	n, err := q.TCPConn.Read(p)
	q.small.Store(n > 0 && n < smallBytes)
	return n, err
}

// Write begins something else: what it is answered with is a first piece, and this acknowledges what came before.
func (q *quick) Write(p []byte) (int, error) {
	q.small.Store(false)
	return q.TCPConn.Write(p)
}
