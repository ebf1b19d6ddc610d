// Package trace tells OpenTelemetry how a request went through the tree: a span for the request at each gatherer, and one for
// each attempt below it, which is the parent of the span of who was asked.
//
// The context travels in the headers traceparent and tracestate (W3C Trace Context, level 1). Without a tracer it is passed
// on as it came. A request that comes without a decision is sampled here.
package trace

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Headers of the context.
const (
	HeaderParent = "Traceparent"
	HeaderState  = "Tracestate"
)

// Span is one step of a request. A nil Span does nothing, and costs nothing.
type Span struct {
	tracer *Tracer // nil: the context is only passed on
	trace  [16]byte
	id     [8]byte
	parent [8]byte
	flags  byte
	state  string

	kind   kind
	name   string
	peer   string
	begun  time.Time
	ended  time.Time
	failed string
	counts []count
}

type kind int

const (
	server kind = iota
	client
)

type count struct {
	name  string
	value int64
}

const sampled = 1

// Start the span of a request that came with these headers, which may be empty.
func (t *Tracer) Start(traceparent, tracestate, name string) *Span {
	s := &Span{state: tracestate, name: name, kind: server}
	known := s.parse(traceparent)
	if t == nil {
		if !known {
			return nil
		}
		s.id = s.parent // as if it were not here
		return s
	}
	if !known {
		random(s.trace[:])
		s.state = ""
		if rand.Float64() < t.sample { //nolint:gosec // chance, not a secret
			s.flags = sampled
		}
	}
	random(s.id[:])
	s.record(t)
	return s
}

// record the span, if it is sampled.
func (s *Span) record(t *Tracer) {
	s.tracer = t
	if s.recorded() {
		s.begun = time.Now()
	}
}

func (s *Span) recorded() bool { return s != nil && s.tracer != nil && s.flags&sampled != 0 }

// parse VERSION-TRACE-PARENT-FLAGS, in hexadecimal digits.
func (s *Span) parse(text string) bool {
	if len(text) < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-' || text[:2] == "ff" || text[:2] == "00" && len(text) != 55 {
		return false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], text[:2]}, {s.trace[:], text[3:35]}, {s.parent[:], text[36:52]}, {flags[:], text[53:55]}} {
		for i := range len(part.from) {
			if c := part.from[i]; c >= 'A' && c <= 'F' { // only small letters are valid
				return false
			}
		}
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil {
			return false
		}
	}
	s.flags = flags[0]
	return s.trace != [16]byte{} && s.parent != [8]byte{}
}

// Child is a span below this one, of a request to somebody else.
func (s *Span) Child(name, peer string) *Span {
	if s == nil || s.tracer == nil {
		return s
	}
	c := &Span{trace: s.trace, parent: s.id, flags: s.flags, state: s.state, kind: client, name: name, peer: peer}
	random(c.id[:])
	c.record(s.tracer)
	return c
}

// AppendTo adds the header lines of the context, each ended by CRLF.
func (s *Span) AppendTo(lines []byte) []byte {
	if s == nil {
		return lines
	}
	lines = append(lines, HeaderParent+": 00-"...)
	lines = hex.AppendEncode(lines, s.trace[:])
	lines = append(lines, '-')
	lines = hex.AppendEncode(lines, s.id[:])
	lines = append(lines, '-')
	lines = hex.AppendEncode(lines, []byte{s.flags})
	lines = append(lines, "\r\n"...)
	if s.state != "" {
		lines = append(append(append(lines, HeaderState+": "...), s.state...), "\r\n"...)
	}
	return lines
}

// Set the headers of the context.
func (s *Span) Set(h http.Header) {
	for line := range strings.SplitSeq(string(s.AppendTo(nil)), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Set(name, value)
		}
	}
}

// Count notes a number of the span: "shards", "answered".
func (s *Span) Count(name string, value int) {
	if s.recorded() {
		s.counts = append(s.counts, count{name, int64(value)})
	}
}

// End the span; failed says why, or is empty.
func (s *Span) End(failed string) {
	if !s.recorded() || s.kind == client && s.begun.IsZero() {
		return
	}
	s.ended, s.failed = time.Now(), failed
	s.tracer.add(s)
}

func random(to []byte) {
	for i := range to {
		to[i] = byte(rand.Uint32()) //nolint:gosec // unique, not secret
	}
}
