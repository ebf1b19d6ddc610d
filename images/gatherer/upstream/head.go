package upstream

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
)

// maxInterim is how many 1xx answers may come before the one that counts.
const maxInterim = 8

// readHead reads up to the body: lines are judged as they come, so that what is no HTTP is not waited for.
func (r *Response) readHead(method string) error {
	for range maxInterim + 1 {
		if err := r.readOneHead(); err != nil {
			return err
		}
		if r.Status >= 200 {
			return r.frame(method)
		}
		if r.Status == http.StatusSwitchingProtocols {
			return protocolError("status 101, but nobody asked for another protocol")
		}
		cn := r.conn
		cn.end = copy(cn.buf, cn.buf[r.headEnd:cn.end])
		cn.start = 0
	}
	return protocolError("more than %d interim answers", maxInterim)
}

// readOneHead leaves the head in buf[:headEnd], and the connection's start behind it.
func (r *Response) readOneHead() error {
	cn, limit := r.conn, r.conn.pool.options.HeaderBytes
	r.declared, r.ContentType = declared{length: -1}, ""
	line, scanned := 0, 0 // where the line begins, and up to where it has no end
	for {
		i := bytes.IndexByte(cn.buf[scanned:cn.end], '\n')
		if i < 0 {
			scanned = cn.end
			if scanned >= limit {
				return protocolError("head of more than %d bytes", limit)
			}
			if line == 0 && !bytes.HasPrefix(cn.buf[:cn.end], httpVersion[:min(cn.end, len(httpVersion))]) {
				return protocolError("it does not begin with HTTP/1: %q", cn.buf[:min(cn.end, 16)])
			}
			if err := cn.fill(0, max(limit, connBytes)); err != nil {
				if errors.Is(err, io.EOF) {
					err = cn.failed("answer of", io.ErrUnexpectedEOF)
				}
				return err
			}
			continue
		}
		end := scanned + i
		if end >= limit {
			return protocolError("head of more than %d bytes", limit)
		}
		text := cn.buf[line:end]
		if len(text) == 0 || text[len(text)-1] != '\r' {
			return protocolError("a line of the head ends without a carriage return")
		}
		text = text[:len(text)-1]
		begun := line == 0
		line, scanned = end+1, end+1
		switch {
		case begun:
			if err := r.statusLine(text); err != nil {
				return err
			}
			r.fields = line
		case len(text) == 0:
			r.headEnd, cn.start = line, line
			return nil
		default:
			name, value, err := field(text)
			if err == nil {
				err = r.declare(name, value)
			}
			if err != nil {
				return err
			}
		}
	}
}

var httpVersion = []byte("HTTP/1.")

// statusLine is HTTP/1.1 200 OK, or HTTP/1.0; the reason may be missing (RFC 9112, section 4).
func (r *Response) statusLine(line []byte) error {
	if len(line) < 12 || !bytes.HasPrefix(line, httpVersion) || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' {
		return protocolError("status line %q", clip(line))
	}
	status := 0
	for _, d := range line[9:12] {
		if d < '0' || d > '9' {
			return protocolError("status line %q", clip(line))
		}
		status = status*10 + int(d-'0')
	}
	if status < 100 {
		return protocolError("status %03d", status)
	}
	if !isText(line) {
		return protocolError("control characters in the status line")
	}
	r.Status, r.declared.old = status, line[7] == '0'
	return nil
}

// field of one line. Continued lines and space before the colon, which parsers disagree about, are refused.
func field(line []byte) (name, value []byte, err error) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, protocolError("header line %q", clip(line))
	}
	name = line[:colon]
	for _, b := range name {
		if !isToken[b] {
			return nil, nil, protocolError("header line %q", clip(line))
		}
	}
	value = trim(line[colon+1:])
	if !isText(value) {
		return nil, nil, protocolError("control characters in header %q", clip(name))
	}
	return name, value, nil
}

// declared is what a head says of the connection and the body.
type declared struct {
	length    int64 // -1: not said
	chunked   bool
	old       bool // HTTP/1.0
	close     bool
	keepAlive bool
	coding    coding
}

func (r *Response) declare(name, value []byte) error {
	d := &r.declared
	switch len(name) {
	case len("connection"):
		if fold(name, "connection") {
			for token := range bytes.SplitSeq(value, comma) {
				token = trim(token)
				d.close = d.close || fold(token, "close")
				d.keepAlive = d.keepAlive || fold(token, "keep-alive")
			}
		}
	case len("content-type"):
		if fold(name, "content-type") && r.ContentType == "" {
			r.ContentType = intern(value)
		}
	case len("content-length"):
		if fold(name, "content-length") {
			n, ok := decimal(value)
			if !ok || d.length >= 0 && d.length != n {
				return protocolError("Content-Length %q", clip(value))
			}
			d.length = n
		}
	case len("content-encoding"):
		if fold(name, "content-encoding") {
			d.encoded(value)
		}
	case len("transfer-encoding"):
		if fold(name, "transfer-encoding") {
			if d.chunked || !fold(value, "chunked") {
				return protocolError("Transfer-Encoding %q", clip(value))
			}
			d.chunked = true
		}
	}
	return nil
}

// encoded by a content coding: one at most is known.
func (d *declared) encoded(value []byte) {
	switch {
	case len(value) == 0 || fold(value, "identity"):
	case d.coding == plain && (fold(value, "gzip") || fold(value, "x-gzip")):
		d.coding = gzipped
	default:
		d.coding = unknown
	}
}

// frame finds out how long the body is (RFC 9112, section 6.3).
func (r *Response) frame(method string) error {
	d := &r.declared
	r.keep = !d.close && (!d.old || d.keepAlive)
	if d.chunked && (d.length >= 0 || d.old) {
		return protocolError("Transfer-Encoding where it may not be: with Content-Length, or in HTTP/1.0")
	}
	switch {
	case method == http.MethodHead || r.Status == http.StatusNotModified:
		r.framing = noBody
	case r.Status == http.StatusNoContent:
		r.framing = noBody
		r.keep = r.keep && !d.chunked && d.length <= 0 // else it may send one none the less
	case d.chunked:
		r.framing = chunked
	case d.length >= 0:
		r.framing, r.remaining = fixedLength, d.length
	default:
		r.framing, r.remaining, r.keep = untilClose, math.MaxInt64, false
	}
	r.done = r.framing == noBody || r.framing == fixedLength && r.remaining == 0
	if r.done {
		r.declared.coding = plain
	}
	r.ContentLength = -1
	if r.done || r.framing == fixedLength && d.coding == plain {
		r.ContentLength = r.remaining
	}
	return nil
}

var comma = []byte(",")

// isToken are the characters of a header's name (RFC 9110, section 5.6.2).
var isToken = func() (t [256]bool) {
	for _, b := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[b] = true
	}
	return t
}()

// isText tells whether there are no control characters but tabs.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// decimal digits only, and few enough.
func decimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, true
}

// trim spaces and tabs, and nothing else that Unicode has.
func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

// fold tells whether b is the lower-case text, in any case.
func fold[T string | []byte](b T, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// intern the types that nearly all answers have, so that they cost no memory.
func intern(value []byte) string {
	switch string(value) {
	case "application/json":
		return "application/json"
	case "application/json; charset=utf-8":
		return "application/json; charset=utf-8"
	case "application/x-ndjson":
		return "application/x-ndjson"
	case "text/plain; charset=utf-8":
		return "text/plain; charset=utf-8"
	}
	return string(value)
}

// clip what is quoted in errors.
func clip(b []byte) string {
	const most = 64
	if len(b) > most {
		return string(b[:most]) + "..."
	}
	return string(b)
}

// hexadecimal digits only, and few enough.
func hexadecimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b), 16, 60) // it refuses signs, prefixes and underscores with a base
	return int64(n), err == nil
}
