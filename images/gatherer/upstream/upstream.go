// Package upstream speaks HTTP with one address: it sends a request, reads the head of the answer and then its body, over
// connections that are kept for the next request.
//
// A gatherer makes many small calls for each of its client's requests, so a call is made cheap: HTTP/1.1 is written and parsed
// here, on the connection itself, with one write and no goroutine per call, without maps, and in memory that is used again. What
// the peer sends is not trusted: heads are bounded, framing that can be read in two ways is refused, and what follows an answer
// that was not asked for ends the connection. HTTP/2 without TLS (h2c) has the same face, and is net/http's behind it.
package upstream

import (
	"errors"
	"fmt"
	"time"
)

// Protocols of Options.
const (
	HTTP1 = "http1"
	H2C   = "h2c"
)

// Options of a Pool; zero fields have defaults.
type Options struct {
	// Protocol is HTTP1 (default) or H2C.
	Protocol string
	// HeaderBytes bounds the head of an answer, and its trailers. Default: 32 KiB.
	HeaderBytes int
	// IdleTimeout is how long a connection is kept without a call. Default: 30s.
	IdleTimeout time.Duration
	// MaxIdle connections are kept. Default: 256.
	MaxIdle int
}

func (o Options) withDefaults() Options {
	if o.HeaderBytes <= 0 {
		o.HeaderBytes = 32 << 10
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 30 * time.Second
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = 256
	}
	return o
}

// Request is what is sent. It is not changed, and may be sent by several calls at once. Nothing of it is used any more once Do
// has failed, or its Response is closed.
type Request struct {
	// Method as it is in Head: an answer to HEAD has no body.
	Method string
	// Head is the request line and the header lines that all attempts share, each ended by CRLF, without Content-Length and
	// without the blank line.
	Head []byte
	// Extra are the header lines of this attempt, each ended by CRLF.
	Extra []byte
	Body  []byte
	// Deadline of the whole call, its body included. Zero is none.
	Deadline time.Time
}

var (
	// ErrCancelled is what a call ends with that was cancelled.
	ErrCancelled = errors.New("cancelled")
	// ErrTooLarge is what ReadAll says of a body above its limit.
	ErrTooLarge = errors.New("body above its limit")
	// errClosed is for those who go on reading after Close.
	errClosed = errors.New("read of an answer after its Close")
)

// DialError says that there was no connection: nothing was sent.
type DialError struct {
	Address string
	Err     error
}

func (e *DialError) Error() string { return fmt.Sprintf("connect to %s: %v", e.Address, e.Err) }
func (e *DialError) Unwrap() error { return e.Err }

// ProtocolError says what is wrong with an answer. The connection it came by is closed, unless only the content is wrong.
type ProtocolError struct {
	Reason string
}

func (e *ProtocolError) Error() string { return "invalid answer: " + e.Reason }

func protocolError(format string, arguments ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, arguments...)}
}
