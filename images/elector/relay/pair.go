package relay

import (
	"io"
	"net"
	"sync"
)

// A pair of connections, what comes from one of which goes to the other. On Linux it goes there without passing through this
// process (splice(2)), which needs up to four descriptors beside the two.
type pair struct{ a, b *net.TCPConn }

// run until both sides have said all that they had to say, or one fails.
func (p *pair) run() {
	var other sync.WaitGroup
	other.Go(func() { p.half(p.a, p.b) })
	p.half(p.b, p.a)
	other.Wait()
	p.a.Close()
	p.b.Close()
}

// half is one direction. The end of one is told to the other, which may go on in the other direction.
func (p *pair) half(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		p.cut()
		return
	}
	if to.CloseWrite() != nil {
		p.cut()
	}
}

// cut both, with a reset: what was said is not all.
func (p *pair) cut() {
	reset(p.a)
	reset(p.b)
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // it may be closed already
	c.Close()
}
