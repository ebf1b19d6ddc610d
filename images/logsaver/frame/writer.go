package frame

import "bytes"

// A writer puts records together, line by line.
type writer struct {
	rules       Rules
	out         []byte
	ends        []int // nil if each line is a record
	lines       int
	split       int
	recordLines int
	midLine     bool
	lastRecord  point
}

// A point is a state of the writer to go back to.
type point struct{ out, ends, lines, split int }

func (w *writer) mark() point { return point{len(w.out), len(w.ends), w.lines, w.split} }

func (w *writer) backTo(p point) {
	w.out, w.lines, w.split = w.out[:p.out], p.lines, p.split
	if w.ends != nil {
		w.ends = w.ends[:p.ends]
	}
}

// line adds one line, and reports whether a record begins with it. goesOn tells that its end is not in the range.
func (w *writer) line(line []byte, ended, goesOn bool) (begins bool) {
	if ended {
		line = bytes.TrimSuffix(line, []byte{'\r'})
	}
	continued := w.midLine
	w.midLine = false
	if continued && len(line) == 0 {
		return false // the line before the range turned out to be whole
	}
	begins = true
	if g := w.rules.Grouper; g != nil {
		begins = g.Begins(line)
		if !begins && w.recordLines >= w.rules.MaxLines {
			g.Reset()
			g.Begins(line)
			begins, continued = true, true
		}
		if begins {
			w.endRecord()
			w.recordLines = 0
		}
	}
	if len(line) > w.rules.MaxLine {
		w.split++
	}
	for len(line) > w.rules.MaxLine {
		end := pieceEnd(line, w.rules.MaxLine)
		w.piece(line[:end], continued, true)
		line, continued = line[end:], true
	}
	w.piece(line, continued, goesOn)
	return begins
}

func (w *writer) piece(text []byte, continued, continues bool) {
	if continued {
		w.out = append(w.out, Continued...)
	}
	w.out = append(w.out, text...)
	if continues {
		w.out = append(w.out, Continues...)
	}
	w.out = append(w.out, '\n')
	w.lines++
	w.recordLines++
}

// endRecord notes where the record ends that was written last.
func (w *writer) endRecord() {
	if w.ends == nil || len(w.out) == 0 {
		return
	}
	if n := len(w.ends); n == 0 || w.ends[n-1] < len(w.out) {
		w.ends = append(w.ends, len(w.out))
	}
}
