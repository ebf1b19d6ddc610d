package upstream

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Response is an answer: its head at once, its body by Read or ReadAll. It is for one goroutine at a time; only Cancel of its
// Call may come from others. Everything but its exported fields ends with Close.
type Response struct {
	Status int
	// ContentType is the header of this name.
	ContentType string
	// ContentLength of the body as it is read. -1: not known before its end.
	ContentLength int64

	call *Call
	conn *conn       // nil after Close, and for h2c
	h2   *h2Response // instead of conn
	gzip *gunzip     // when some was decoded
	err  error       // of the decoded body, sticky

	declared declared
	fields   int // conn.buf[fields:headEnd] are the header lines and the blank one
	headEnd  int
	keep     bool // the peer lets the connection be used again

	framing    framing
	remaining  int64 // of the body, or of this chunk
	inChunk    bool  // its end is still to be read
	inTrailers bool
	extensions int // bytes of chunk extensions so far
	trailers   []byte
	done       bool // the body was read to its end
	draining   bool
	rawErr     error
}

func (r *Response) reset(c *Call, cn *conn) {
	*r = Response{call: c, conn: cn, trailers: r.trailers[:0]}
}

// Get the first header of a name, in whatever case; empty if there is none, and after Close.
func (r *Response) Get(name string) string {
	switch {
	case r.h2 != nil:
		return r.h2.Header.Get(name)
	case r.conn == nil:
		return ""
	case strings.EqualFold(name, "content-type"):
		return r.ContentType
	}
	return find(r.conn.buf[r.fields:r.headEnd], name)
}

// Trailer is the field of this name behind the body; empty before the body's end was read, and after Close.
func (r *Response) Trailer(name string) string {
	switch {
	case r.h2 != nil:
		return r.h2.Trailer.Get(name)
	case r.conn == nil || !r.done:
		return ""
	}
	return find(r.trailers, name)
}

// Each end-to-end header in the order they came (h2c: in any): without those that are about this connection or that Read has
// made untrue.
func (r *Response) Each(visit func(name, value string)) {
	decoded := r.declared.coding == gzipped
	if r.h2 != nil {
		for name, values := range r.h2.Header {
			for _, value := range values {
				if !hidden(name, decoded) {
					visit(name, value)
				}
			}
		}
		return
	}
	if r.conn == nil {
		return
	}
	lines := r.conn.buf[r.fields:r.headEnd]
	for rest := lines; ; {
		name, value, after, ok := cutField(rest)
		if !ok {
			return
		}
		rest = after
		if n := string(name); !hidden(n, decoded) && !namedByConnection(lines, name) {
			visit(n, string(value))
		}
	}
}

// hidden are headers that end here (RFC 9110, section 7.6.1), and those of a body that is not as it was sent.
func hidden(name string, decoded bool) bool {
	for _, other := range [...]string{"te", "connection", "keep-alive", "trailer", "upgrade", "transfer-encoding", "proxy-connection", "content-length"} {
		if len(name) == len(other) && fold(name, other) {
			return true
		}
	}
	return decoded && fold(name, "content-encoding")
}

func namedByConnection(lines, name []byte) bool {
	for rest := lines; ; {
		n, value, after, ok := cutField(rest)
		if !ok {
			return false
		}
		rest = after
		if fold(n, "connection") {
			for token := range bytes.SplitSeq(value, comma) {
				if bytes.EqualFold(trim(token), name) {
					return true
				}
			}
		}
	}
}

// find a header in lines that were judged when they came.
func find(lines []byte, name string) string {
	for {
		n, value, rest, ok := cutField(lines)
		if !ok {
			return ""
		}
		if len(n) == len(name) && strings.EqualFold(string(n), name) {
			return string(value)
		}
		lines = rest
	}
}

func cutField(lines []byte) (name, value, rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(lines, []byte("\r\n"))
	if len(line) == 0 {
		return nil, nil, nil, false
	}
	name, value, _ = bytes.Cut(line, []byte(":"))
	return name, trim(value), rest, true
}

// Read the body, without its chunks and without gzip. A body that ends too early is an io.ErrUnexpectedEOF.
func (r *Response) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.conn == nil && r.h2 == nil {
		return 0, errClosed
	}
	n, err := r.decoded(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.call.explain(err)
	}
	r.err = err
	return n, err
}

// ReadAll appends the whole body to a buffer. One of more than limit bytes is ErrTooLarge, as it is read, so that a small answer
// cannot become a large one.
func (r *Response) ReadAll(limit int64, into *Buffer) error {
	if r.ContentLength > limit {
		return ErrTooLarge
	}
	begin := len(into.B)
	if r.ContentLength > 0 {
		// What is announced is believed only so far: it may never come.
		into.grow(int(min(r.ContentLength, 1<<20)))
	}
	for {
		if r.done && r.ContentLength >= 0 && int64(len(into.B)-begin) == r.ContentLength {
			return nil
		}
		if len(into.B) == cap(into.B) {
			into.grow(minRead)
		}
		n, err := r.Read(into.B[len(into.B):cap(into.B)])
		into.B = into.B[:len(into.B)+n]
		switch {
		case int64(len(into.B)-begin) > limit:
			return ErrTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// minRead is the least room for a read of a body of unknown length.
const minRead = 512

// Close the answer. The connection is kept if the body was read to its end, or what is left of it is here already.
func (r *Response) Close() {
	if r.h2 != nil {
		r.h2.end(r)
		r.h2 = nil
	}
	r.gzip.free()
	r.gzip = nil
	cn := r.conn
	if cn == nil {
		return
	}
	r.drain()
	r.conn = nil
	if untouched := r.call.leave(); !untouched || !r.done || !r.keep || !cn.clean() {
		cn.finish()
		return
	}
	cn.free()
	cn.pool.keep(cn)
}
