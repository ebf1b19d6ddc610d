// Package frame turns a range of a file's bytes into records: it finds where the last whole record ends, takes CRLF for
// LF, splits lines that are too long, and joins lines that belong together.
//
// The outcome depends on nothing but the bytes of the range, the byte before it, and the rules. So a range that is cut
// again after a crash gives the same records.
package frame

import (
	"bytes"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/multiline"
)

// Marks of a line that was split: each piece but the last ends with Continues, each but the first begins with Continued.
const (
	Continues = " <continues>"
	Continued = "<continued> "
)

// Rules are how the bytes of an input become records.
type Rules struct {
	// MaxLine is the number of bytes from which a line is split.
	MaxLine int
	// Grouper joins lines to records; nil if each line is one.
	Grouper multiline.Grouper
	// MaxLines is the number of lines from which a record is split. Only with a Grouper.
	MaxLines int
}

// A Mode says what is taken from the end of the bytes, where it is not clear that a record has ended.
type Mode int

const (
	// Hold leaves the last line if it has no end, and the last record if a further line might join it.
	Hold Mode = iota
	// Settle leaves only the last line if it has no end: nothing more joins the last record.
	Settle
	// Flush leaves nothing: the file has gone, or the saver goes.
	Flush
	// Open leaves nothing, and knows that the last line goes on behind the range.
	Open
)

// A Cut is what was made of the bytes.
type Cut struct {
	// Length is the number of bytes taken; 0 if no record has ended yet.
	Length int
	// Open is true if the last line goes on behind the range: the mode in which the same range is cut again.
	Open bool
	// Records, Lines and Ends are those of a batch. Records are in the scratch (which may have grown) if Copied, else
	// they are bytes of the window.
	Records []byte
	Copied  bool
	Lines   int
	Ends    []int
	// Split is the number of lines that were longer than the limit.
	Split int
}

// Cut takes records from the beginning of window. midLine tells that the byte before the window is not a line's end.
// full tells that the window cannot grow: then something is taken in any mode. scratch is memory for records that are
// not the bytes as they stand.
func (r Rules) Cut(window []byte, mode Mode, midLine, full bool, scratch []byte) Cut {
	taken, open := r.extent(window, mode, full)
	if taken == 0 {
		return Cut{}
	}
	part := window[:taken]
	if r.Grouper == nil && !midLine && part[taken-1] == '\n' && bytes.IndexByte(part, '\r') < 0 && !hasLong(part, r.MaxLine) {
		return Cut{Length: taken, Records: part, Lines: bytes.Count(part, newline)}
	}
	w := writer{rules: r, out: scratch[:0], midLine: midLine}
	if r.Grouper != nil {
		r.Grouper.Reset()
		w.ends = []int{}
	}
	rest := part
	lastStart := 0 // of the last record, in part
	for len(rest) > 0 {
		at := taken - len(rest)
		line, next, ended := rest, []byte(nil), false
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, next, ended = rest[:i], rest[i+1:], true
		}
		mark := w.mark()
		if w.line(line, ended, !ended && open) {
			lastStart = at
			// The last record stays when a further line might still join it. Only at the end of the whole lines can that
			// be known, so what was written of it is taken back then.
			w.lastRecord = mark
		}
		rest = next
	}
	if mode == Hold && r.Grouper != nil && !open {
		if lastStart > 0 {
			w.backTo(w.lastRecord)
			taken = lastStart
		} else if !full {
			return Cut{}
		}
	}
	w.endRecord()
	return Cut{Length: taken, Open: open, Records: w.out, Copied: true, Lines: w.lines, Ends: w.ends, Split: w.split}
}

var newline = []byte{'\n'}

// extent says how many bytes of the window are taken, and whether that ends within a line that goes on.
func (r Rules) extent(window []byte, mode Mode, full bool) (taken int, open bool) {
	if mode == Flush || mode == Open {
		return len(window), mode == Open && len(window) > 0 && window[len(window)-1] != '\n'
	}
	whole := bytes.LastIndexByte(window, '\n') + 1
	// A line without end that is too long already goes out in pieces. At least one byte stays, so that a piece that is
	// marked as going on really does.
	if whole < len(window) {
		rest := window[whole:]
		pieces := 0
		for len(rest)-pieces > r.MaxLine {
			pieces += pieceEnd(rest[pieces:], r.MaxLine)
		}
		if pieces > 0 {
			return whole + pieces, true
		}
	}
	if whole == 0 && full && len(window) > 1 {
		return len(window) - 1, true
	}
	return whole, false
}

// pieceEnd is where a line longer than limit is split: at the limit, or up to three bytes before it, so that no
// character is torn.
func pieceEnd(line []byte, limit int) int {
	end := limit
	for end > limit-utf8.UTFMax+1 && !utf8.RuneStart(line[end]) {
		end--
	}
	if !utf8.RuneStart(line[end]) {
		return limit // no UTF-8 at all
	}
	return end
}

// hasLong reports whether a line is longer than limit. It looks at a few bytes per limit, not at each line.
func hasLong(lines []byte, limit int) bool {
	for len(lines) > limit {
		end := bytes.LastIndexByte(lines[:limit+1], '\n')
		if end < 0 {
			return true
		}
		lines = lines[end+1:]
	}
	return false
}
