package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// probation is how long a new connection must last before anything that was sent over it counts as delivered. A receiver that does not like our certificate, or a load balancer with nobody behind it, takes the bytes first and closes then.
const probation = time.Second

// A connection knows when the receiver has gone, which a writer alone would learn too late.
type connection struct {
	net.Conn
	raw    net.Conn  // below TLS
	proven time.Time // when its probation ends
	broken chan struct{}
	why    error // set before broken is closed
	once   sync.Once
}

// watch reads what a receiver never sends, to hear of the connection's end.
func watch(conn, raw net.Conn) *connection {
	c := &connection{Conn: conn, raw: raw, proven: time.Now().Add(probation), broken: make(chan struct{})}
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
	unregister := context.AfterFunc(ctx, func() {
		_ = c.Conn.SetWriteDeadline(time.Unix(1, 0)) // fails on a closed connection only, and so do writes
	})
	return func() {
		if unregister() {
			_ = c.Conn.SetWriteDeadline(time.Time{})
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
			return c.prove(ctx)
		}
		timer.Reset(pause)
	}
}

// prove waits for the end of the probation.
func (c *connection) prove(ctx context.Context) error {
	timer := time.NewTimer(time.Until(c.proven))
	defer timer.Stop()
	select {
	case <-c.broken:
		return c.why
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	select {
	case <-c.broken: // both at once
		return c.why
	default:
		return nil
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

// refused tells whether the receiver has said that it does not like our certificate, or that we have none ("handshake failure" in TLS 1.2). Alerts have no type that could be looked at.
func refused(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	return strings.Contains(op.Error(), "certificate") || strings.Contains(op.Error(), "handshake failure")
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
