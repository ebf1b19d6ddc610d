package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// A connection knows when the receiver has gone, which a writer alone would learn too late.
type connection struct {
	net.Conn
	raw    net.Conn // below TLS
	broken chan struct{}
	why    error // set before broken is closed
	once   sync.Once
}

// watch reads what a receiver never sends, to hear of the connection's end.
func watch(conn, raw net.Conn) *connection {
	c := &connection{Conn: conn, raw: raw, broken: make(chan struct{})}
	go func() {
		ignored := make([]byte, 64)
		for {
			if _, err := conn.Read(ignored); err != nil {
				c.why = err
				close(c.broken)
				return
			}
		}
	}()
	return c
}

// Close closes the connection below TLS, without waiting to say goodbye to a receiver that may not read.
func (c *connection) Close() error {
	var err error
	c.once.Do(func() { err = c.raw.Close() })
	return err
}

// until makes writes fail when ctx ends. The function that it returns takes that back.
func (c *connection) until(ctx context.Context) (stop func()) {
	unregister := context.AfterFunc(ctx, func() { c.Conn.SetWriteDeadline(time.Unix(1, 0)) })
	return func() {
		if unregister() {
			c.Conn.SetWriteDeadline(time.Time{})
		}
	}
}

// delivered returns when the receiver's machine has acknowledged all that was written.
func (c *connection) delivered(ctx context.Context) error {
	const first, longest = 100 * time.Microsecond, 10 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	for pause := first; ; pause = min(2*pause, longest) {
		select {
		case <-c.broken:
			return c.why
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		queued, err := unacknowledged(c.raw)
		if err != nil {
			return err
		}
		if queued == 0 {
			select {
			case <-c.broken:
				return c.why
			default:
				return nil
			}
		}
		timer.Reset(pause)
	}
}

// unacknowledged is the number of bytes that were written and not acknowledged.
func unacknowledged(conn net.Conn) (queued int, err error) {
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("%T tells nothing of what it has sent", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	if controlErr := raw.Control(func(fd uintptr) { queued, err = sendQueue(int(fd)) }); controlErr != nil {
		return 0, controlErr
	}
	return queued, err
}

// reason prefers why the receiver has gone, or that there was no time, over what a write says then.
func reason(ctx context.Context, c *connection, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the receiver did not take it in time: %w", context.Cause(ctx))
	}
	select {
	case <-c.broken:
		if !errors.Is(c.why, net.ErrClosed) {
			return fmt.Errorf("the receiver has gone: %w", c.why)
		}
	default:
	}
	return err
}
