package upstream

import (
	"bytes"
	"errors"
	"io"
)

// framing is how the end of a body is known.
type framing uint8

const (
	noBody framing = iota
	fixedLength
	chunked
	untilClose
)

const (
	// directBytes is from where on a read goes around the connection's memory.
	directBytes = 2 << 10
	// maxChunkLine is the length of a chunk's first line, extensions included.
	maxChunkLine = 4 << 10
)

// raw body, as it was before its content coding. The error is sticky, and in the end io.EOF.
func (r *Response) raw(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.advance(); err != nil {
		return 0, err
	}
	cn := r.conn
	if cn.start == cn.end {
		want := min(int64(len(p)), r.remaining)
		if want >= directBytes || want == r.remaining && r.framing == fixedLength {
			n, err := cn.read(p[:want])
			r.used(n)
			return n, r.cut(err)
		}
		if err := r.more(directBytes); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.window())
	cn.start += n
	r.used(n)
	return n, nil
}

// window is what of the body was read and not yet used. It is not empty after advance and more.
func (r *Response) window() []byte {
	cn := r.conn
	return cn.buf[cn.start : cn.start+int(min(int64(cn.end-cn.start), r.remaining))]
}

// used n bytes of the body.
func (r *Response) used(n int) {
	if r.framing != untilClose {
		r.remaining -= int64(n)
		r.done = r.framing == fixedLength && r.remaining == 0
	}
}

// advance to the next data, so that some remain.
func (r *Response) advance() error {
	switch {
	case r.rawErr != nil:
		return r.rawErr
	case r.done:
		return io.EOF
	case r.framing == chunked && r.remaining == 0:
		err := r.nextChunk()
		if err == nil && r.done {
			return io.EOF
		}
		if err != nil && !r.draining {
			r.rawErr = err
		}
		return err
	}
	return nil
}

// more of the body is read into the connection's memory, with room for one line of limit bytes.
func (r *Response) more(limit int) error {
	if r.draining {
		return errFull
	}
	return r.cut(r.conn.fill(r.headEnd, max(len(r.conn.buf), r.headEnd+limit)))
}

// cut says what an error of a read means for the body.
func (r *Response) cut(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, io.EOF):
		r.rawErr = err
	case r.framing == untilClose:
		r.done, r.rawErr = true, io.EOF
	default:
		r.rawErr = r.conn.failed("body of", io.ErrUnexpectedEOF)
	}
	return r.rawErr
}

// nextChunk reads what stands between the data of two chunks, or behind the last (RFC 9112, section 7.1).
func (r *Response) nextChunk() error {
	if r.inChunk {
		end, err := r.line(len("\r\n"))
		if err != nil {
			return err
		}
		if len(end) > 0 {
			return protocolError("a chunk is longer than its size")
		}
		r.inChunk = false
	}
	if !r.inTrailers {
		line, err := r.line(maxChunkLine)
		if err != nil {
			return err
		}
		digits, extension, _ := bytes.Cut(line, []byte(";"))
		size, ok := hexadecimal(bytes.TrimRight(digits, " \t"))
		if !ok {
			return protocolError("size of a chunk: %q", clip(line))
		}
		r.extensions += len(extension)
		if !isText(extension) || r.extensions > r.conn.pool.options.HeaderBytes {
			return protocolError("extensions of chunks")
		}
		if size > 0 {
			r.remaining, r.inChunk = size, true
			return nil
		}
		r.inTrailers = true
	}
	limit := r.conn.pool.options.HeaderBytes
	for {
		line, err := r.line(limit)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			r.done = true
			return nil
		}
		if _, _, err := field(line); err != nil {
			return err
		}
		if len(r.trailers)+len(line)+2 > limit {
			return protocolError("trailers of more than %d bytes", limit)
		}
		r.trailers = append(append(r.trailers, line...), "\r\n"...)
	}
}

// line without its end. It is used by the time of the next read.
func (r *Response) line(limit int) ([]byte, error) {
	cn := r.conn
	for {
		w := cn.buf[cn.start:cn.end]
		if i := bytes.IndexByte(w, '\n'); i >= 0 && i < limit {
			if i == 0 || w[i-1] != '\r' {
				return nil, protocolError("a line between chunks ends without a carriage return")
			}
			cn.start += i + 1
			return w[:i-1], nil
		}
		if len(w) >= limit {
			if limit == len("\r\n") {
				return nil, protocolError("a chunk is longer than its size")
			}
			return nil, protocolError("a line between chunks of more than %d bytes", limit)
		}
		if err := r.more(limit); err != nil {
			return nil, err
		}
	}
}

// drain what is left of the body if it is here already: the connection can be kept then, and nothing was waited for.
func (r *Response) drain() {
	r.draining = true
	for !r.done && r.advance() == nil {
		n := len(r.window())
		if n == 0 {
			return
		}
		r.conn.start += n
		r.used(n)
	}
}
