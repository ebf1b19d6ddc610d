package upstream

import (
	"context"
	"sync"
)

// A Call is one request and its answer, and the handle by which it is cancelled. Its zero value is ready. It may be used for
// another Do when the Response of the one before is closed, unless it was cancelled. It must not be copied.
type Call struct {
	mu        sync.Mutex
	cancelled bool
	// What Cancel ends: a connection that is used, or something that is going on without one. Not both.
	conn *conn
	stop context.CancelFunc

	response Response
}

// Cancel ends the call, from any goroutine and at any time: Do and Read return ErrCancelled, and the connection is closed. When
// the Response is closed already, or Do has failed, it does nothing.
func (c *Call) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancelled {
		return
	}
	c.cancelled = true
	if c.conn != nil {
		c.conn.close()
	}
	if c.stop != nil {
		c.stop()
	}
}

// use a connection from now on. False if the call was cancelled meanwhile: then the connection stays the caller's.
func (c *Call) use(cn *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancelled {
		return false
	}
	c.conn, c.stop = cn, nil
	return true
}

// stoppable lets Cancel end by stop what begins now.
func (c *Call) stoppable(stop context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancelled {
		return false
	}
	c.conn, c.stop = nil, stop
	return true
}

// leave what Cancel would end, which from now on is out of its reach. False if the call was cancelled before.
func (c *Call) leave() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.stop = nil, nil
	return !c.cancelled
}

// explain an error: after Cancel it is ErrCancelled, whatever the closed connection says.
func (c *Call) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancelled {
		return ErrCancelled
	}
	return err
}
