package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// A Pool has the connections to one address.
type Pool struct {
	address string
	options Options
	h2c     *multiplexed // instead of all below, for HTTP/2

	mu     sync.Mutex
	closed bool
	open   int     // connections, idle ones included
	idle   []*conn // the one that was used last is last, and is taken first
	reaper *time.Timer
	armed  bool
}

// New pool. It opens connections when they are needed.
func New(address string, o Options) *Pool {
	p := &Pool{address: address, options: o.withDefaults()}
	if o.Protocol == H2C {
		p.h2c = newMultiplexed(address, p.options)
	}
	return p
}

// Close the idle connections, and all others when their calls end. Calls that begin later work, but nothing is kept.
func (p *Pool) Close() {
	if p.h2c != nil {
		p.h2c.close()
		return
	}
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	for _, cn := range idle {
		cn.close()
	}
}

// Connections that are open, and how many of them are idle. Those of h2c are not counted.
func (p *Pool) Connections() (open, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, len(p.idle)
}

// Do sends a request and reads the head of its answer. It blocks until then, until the deadline, or until the call is cancelled.
// The Response has to be closed; it belongs to the call.
//
// A connection that was kept may have been closed by the peer just now. When it fails before a byte of the answer came, the
// request is sent once more by a new connection, so requests must be safe to be sent twice.
func (p *Pool) Do(c *Call, r *Request) (*Response, error) {
	if p.h2c != nil {
		return p.h2c.do(c, r)
	}
	if !r.Deadline.IsZero() && !time.Now().Before(r.Deadline) {
		return nil, c.explain(fmt.Errorf("ask %s: %w", p.address, os.ErrDeadlineExceeded)) // no connection could be looked at
	}
	if cn := p.take(r.Deadline); cn != nil {
		response, err := p.ask(cn, c, r)
		if err == nil || !cn.stale(err) {
			return response, c.explain(err)
		}
	}
	cn, err := p.dial(c, r.Deadline)
	if err != nil {
		return nil, c.explain(err)
	}
	response, err := p.ask(cn, c, r)
	return response, c.explain(err)
}

// ask by a connection; after an error it is closed, and the call has left it.
func (p *Pool) ask(cn *conn, c *Call, r *Request) (*Response, error) {
	if !c.use(cn) {
		cn.finish()
		return nil, ErrCancelled
	}
	response := &c.response
	response.reset(c, cn)
	err := cn.send(r)
	if err == nil {
		err = response.readHead(r.Method)
	}
	if err != nil {
		response.conn = nil
		c.leave()
		cn.finish()
		return nil, err
	}
	return response, nil
}

// take an idle connection that is alive, as far as can be seen.
func (p *Pool) take(deadline time.Time) *conn {
	for {
		p.mu.Lock()
		last := len(p.idle) - 1
		if last < 0 {
			p.mu.Unlock()
			return nil
		}
		cn := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		p.mu.Unlock()
		if cn.begin(deadline) == nil && cn.quiet() {
			cn.reused = true
			return cn
		}
		cn.finish()
	}
}

func (p *Pool) dial(c *Call, deadline time.Time) (*conn, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if !c.stoppable(stop) {
		return nil, ErrCancelled
	}
	dialer := net.Dialer{Deadline: deadline}
	inner, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		c.leave()
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			err = errors.Join(os.ErrDeadlineExceeded, err)
		}
		return nil, &DialError{Address: p.address, Err: err}
	}
	cn := newConn(Quick(inner), p)
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	if err := cn.begin(deadline); err != nil {
		c.leave()
		cn.finish()
		return nil, &DialError{Address: p.address, Err: err}
	}
	return cn, nil
}

// keep a connection for the next call. It is closed if there are enough.
func (p *Pool) keep(cn *conn) {
	cn.since = time.Now()
	p.mu.Lock()
	kept := !p.closed && len(p.idle) < p.options.MaxIdle
	if kept {
		p.idle = append(p.idle, cn)
		if !p.armed {
			p.armed = true
			p.arm(p.options.IdleTimeout)
		}
	}
	p.mu.Unlock()
	if !kept {
		cn.close()
	}
}

// arm the timer that closes what was idle for long: one for all, which is there as long as anything is idle.
func (p *Pool) arm(d time.Duration) {
	if p.reaper == nil {
		p.reaper = time.AfterFunc(d, p.reap)
		return
	}
	p.reaper.Reset(d)
}

func (p *Pool) reap() {
	p.mu.Lock()
	now := time.Now()
	var old []*conn
	for len(p.idle) > 0 && now.Sub(p.idle[0].since) >= p.options.IdleTimeout {
		old = append(old, p.idle[0])
		p.idle[0] = nil
		p.idle = p.idle[1:]
	}
	p.armed = len(p.idle) > 0
	if p.armed {
		p.arm(p.options.IdleTimeout - now.Sub(p.idle[0].since))
	}
	p.mu.Unlock()
	for _, cn := range old {
		cn.close()
	}
}

func (p *Pool) gone() {
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
}
