package multiline

import "bytes"

// python joins a traceback to the log line before it: from "Traceback (most recent call last):" over the indented
// lines to the exception's own line, and on over chained exceptions.
type python struct {
	open  bool
	state pythonState
}

type pythonState int

const (
	outside   pythonState = iota // no traceback
	inTrace                      // frames; the first line that is not indented is the exception
	afterward                    // behind the exception: a chained one may follow
	chained                      // between two chained tracebacks
)

func (p *python) Begins(line []byte) bool {
	begins := !p.open
	p.open = true
	text := bytes.TrimLeft(line, " |+") // exception groups are drawn with these
	switch {
	case hasPrefix(text, "Traceback (most recent call last):", "Exception Group Traceback (most recent call last):"):
		begins = begins || p.state == inTrace || p.state == afterward
		p.state = inTrace
		return begins
	case p.state == inTrace:
		if !indented(line) && len(line) > 0 {
			p.state = afterward
		}
		return begins
	case p.state == afterward && (len(line) == 0 || isChain(line)), p.state == chained && (len(line) == 0 || isChain(line)):
		p.state = chained
		return begins
	case p.state == afterward && indented(line):
		return begins // the message of an exception may have several lines
	}
	p.state = outside
	return true
}

func isChain(line []byte) bool {
	return hasPrefix(line, "During handling of the above exception, another exception occurred:",
		"The above exception was the direct cause of the following exception:")
}

func (p *python) Reset() { *p = python{} }
