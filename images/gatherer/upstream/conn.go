package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// connBytes is the memory of a connection that is used. Most requests and most answers fit, so that a call is one write and one
// read that finds something.
const connBytes = 8 << 10

var memory = sync.Pool{New: func() any { return new([connBytes]byte) }}

// conn is one connection. It is used by one goroutine at a time, but for close.
type conn struct {
	net.Conn
	pool   *Pool
	closed atomic.Bool
	since  time.Time // when it became idle
	timed  bool      // it has a deadline
	reused bool      // it had a call before this one
	heard  bool      // something came since the call began

	raw   syscall.RawConn // nil if it has none
	look  func(uintptr) bool
	still bool // what look has found

	// Memory: a request is put together in it, then the answer is read into it. An idle connection has none.
	fixed *[connBytes]byte
	buf   []byte
	// buf[start:end] was read and not yet used.
	start, end int

	writing chan error // of a large request, which is written while the answer is read; nil when it is done
	broken  bool       // the request was not written whole
}

func newConn(inner net.Conn, p *Pool) *conn {
	cn := &conn{Conn: inner, pool: p}
	cn.lookInto()
	return cn
}

// close from any goroutine, once or more.
func (cn *conn) close() {
	if !cn.closed.Swap(true) {
		cn.Conn.Close()
		cn.pool.gone()
	}
}

// begin a call.
func (cn *conn) begin(deadline time.Time) error {
	cn.heard, cn.broken = false, false
	if timed := !deadline.IsZero(); timed || cn.timed {
		cn.timed = timed
		return cn.SetDeadline(deadline)
	}
	return nil
}

// finish closes the connection after a call, and lets go of what the call has lent.
func (cn *conn) finish() {
	cn.close()
	if cn.writing != nil {
		err := <-cn.writing
		cn.writing, cn.broken = nil, err != nil
	}
	cn.free()
}

// clean tells whether the connection is as it was before the call: the request was written, nothing came that was not asked for.
func (cn *conn) clean() bool {
	if cn.writing != nil {
		select {
		case err := <-cn.writing:
			cn.writing = nil
			cn.broken = err != nil
		default:
			return false
		}
	}
	return !cn.broken && cn.start == cn.end
}

// stale tells of a call that failed whether the connection may have been closed by the peer before it.
func (cn *conn) stale(err error) bool {
	return cn.reused && !cn.heard && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, ErrCancelled)
}

func (cn *conn) allocate() {
	if cn.buf == nil {
		cn.fixed = memory.Get().(*[connBytes]byte)
		cn.buf = cn.fixed[:]
	}
}

func (cn *conn) free() {
	if cn.fixed != nil {
		memory.Put(cn.fixed)
	}
	cn.fixed, cn.buf, cn.start, cn.end = nil, nil, 0, 0
}

// send a request. When a write fails, the peer may have answered and closed before all was written: reading will tell.
func (cn *conn) send(r *Request) error {
	cn.allocate()
	b := append(cn.buf[:0], r.Head...)
	b = append(b, r.Extra...)
	if len(r.Body) > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	if len(b)+len(r.Body) <= len(cn.buf) {
		_, err := cn.Conn.Write(append(b, r.Body...))
		cn.broken = err != nil
		if err != nil && (cn.reused || errors.Is(err, os.ErrDeadlineExceeded)) {
			return cn.failed("send request to", err)
		}
		return nil
	}
	if len(b) <= len(cn.buf) {
		b = append(make([]byte, 0, len(b)), b...) // the answer is read into the memory it is in
	}
	// Who writes much has to read meanwhile: a peer may answer before it has read all, and then read no more.
	all := net.Buffers{b, r.Body}
	written := make(chan error, 1)
	cn.writing = written
	go func() {
		_, err := all.WriteTo(cn.Conn)
		written <- err
	}()
	return nil
}

// fill reads more behind what is there. There is room, or it makes some: keep is the part at the beginning of buf that stays where
// it is, limit the most that buf may grow to.
func (cn *conn) fill(keep, limit int) error {
	if cn.start == cn.end {
		cn.start, cn.end = keep, keep
	}
	if cn.end == len(cn.buf) {
		switch {
		case cn.start > keep:
			cn.end = keep + copy(cn.buf[keep:], cn.buf[cn.start:cn.end])
			cn.start = keep
		case len(cn.buf) >= limit:
			return errFull
		default:
			larger := make([]byte, min(2*len(cn.buf), limit))
			copy(larger, cn.buf[:cn.end])
			if cn.fixed != nil {
				memory.Put(cn.fixed)
				cn.fixed = nil
			}
			cn.buf = larger
		}
	}
	n, err := cn.read(cn.buf[cn.end:])
	cn.end += n
	return err
}

// errFull is for fill's callers, who know what is too large.
var errFull = errors.New("buffer is full")

// read something, or say why there is nothing. The end of the connection is io.EOF.
func (cn *conn) read(p []byte) (int, error) {
	n, err := cn.Conn.Read(p)
	if n > 0 {
		cn.heard = true
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress // a net.Conn does not do that with len(p) > 0
	}
	if err == io.EOF { //nolint:errorlint // as io.Reader has it
		return 0, io.EOF
	}
	return 0, cn.failed("read answer of", err)
}

func (cn *conn) failed(doing string, err error) error {
	return fmt.Errorf("%s %s: %w", doing, cn.pool.address, err)
}
