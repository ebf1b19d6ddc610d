package upstream

import (
	"compress/gzip"
	"io"
	"sync"
)

// coding of a body's content.
type coding uint8

const (
	plain coding = iota
	gzipped
	unknown
)

// gunzip decodes one body. Its memory, some 40 KiB, is used again.
type gunzip struct {
	reader gzip.Reader
	begun  bool
	source rawReader
}

// rawReader is the encoded body. It has ReadByte, so that nothing is put between it and the decoder.
type rawReader struct{ r *Response }

var gunzips = sync.Pool{New: func() any { return new(gunzip) }}

func (g *gunzip) free() {
	if g != nil {
		g.begun, g.source.r = false, nil
		gunzips.Put(g)
	}
}

// decoded body.
func (r *Response) decoded(p []byte) (int, error) {
	switch r.declared.coding {
	case plain:
		return r.encoded(p)
	case unknown:
		return 0, protocolError("Content-Encoding %q, which was not asked for", clip([]byte(r.Get("Content-Encoding"))))
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.gzip == nil {
		r.gzip = gunzips.Get().(*gunzip)
		r.gzip.source.r = r
	}
	if !r.gzip.begun {
		if err := r.gzip.reader.Reset(&r.gzip.source); err != nil {
			return 0, r.gzipError(err) // io.EOF: no body, whatever its coding
		}
		r.gzip.begun = true
	}
	n, err := r.gzip.reader.Read(p)
	return n, r.gzipError(err)
}

// gzipError tells a body that is cut from one that is no gzip.
func (r *Response) gzipError(err error) error {
	if err == nil || err == io.EOF || r.rawErr != nil && r.rawErr != io.EOF { //nolint:errorlint // as io.Reader has it
		return err
	}
	return protocolError("gzip: %v", err)
}

// encoded body, of either protocol.
func (r *Response) encoded(p []byte) (int, error) {
	if r.h2 != nil {
		return r.h2.read(r, p)
	}
	return r.raw(p)
}

func (s *rawReader) Read(p []byte) (int, error) { return s.r.encoded(p) }

func (s *rawReader) ReadByte() (byte, error) {
	r := s.r
	if cn := r.conn; cn != nil && cn.start < cn.end && r.remaining > 0 {
		b := cn.buf[cn.start]
		cn.start++
		r.used(1)
		return b, nil
	}
	var b [1]byte
	for {
		n, err := r.encoded(b[:])
		if n == 1 {
			return b[0], nil
		}
		if err != nil {
			return 0, err
		}
	}
}
