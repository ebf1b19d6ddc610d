// Package batch is what the log saver hands to a sink: whole records of one file, with the name that makes a repeated
// delivery harmless.
package batch

import (
	"bytes"
	"fmt"
	"time"
)

// A Batch is a contiguous range of one file, cut at record ends. It is valid until Write returns: its memory is used again.
type Batch struct {
	// Source, Input and File say where it comes from: the copy of the group, the input's name, and the path of the
	// file below the fixed part of its glob. They stay the same over rotations and restarts.
	Source, Input, File string
	// Stream is Source/Input/File, the beginning of the object name.
	Stream string
	// Identity is one file under that stream; a rotation or a truncation begins a new one. Never used twice.
	Identity string
	// Start and End are the range in that file, in bytes.
	Start, End int64
	// Records are final: each ends in '\n', which is not part of it. Bytes in between are those of the file
	// (without the '\r' of a CRLF, and with marks where a long line was split).
	Records []byte
	// Lines is the number of '\n' in Records.
	Lines int
	// Ends are the offsets in Records just behind each record's '\n'. It is nil if each line is a record.
	Ends []int
	// First is when the first byte of the range was seen, Last when the range was cut. A replay repeats both.
	First, Last time.Time
	// Name is the object's name without extension: Stream/Identity/Start-End. A replay repeats it, with the same records.
	Name string
}

// ObjectName is the deterministic name of a range; offsets have a fixed width, so that names sort in order.
func ObjectName(stream, identity string, start, end int64) string {
	return fmt.Sprintf("%s/%s/%016d-%016d", stream, identity, start, end)
}

// Len is the number of records.
func (b *Batch) Len() int {
	if b.Ends != nil {
		return len(b.Ends)
	}
	return b.Lines
}

// Each calls yield with each record in turn, without its final '\n', until yield returns false. The slices are not copies.
func (b *Batch) Each(yield func(index int, record []byte) bool) {
	rest := b.Records
	if b.Ends != nil {
		start := 0
		for i, end := range b.Ends {
			if !yield(i, b.Records[start:end-1]) {
				return
			}
			start = end
		}
		return
	}
	for i := 0; len(rest) > 0; i++ {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		if !yield(i, rest[:end]) {
			return
		}
		rest = rest[min(end+1, len(rest)):]
	}
}

// Time is the time of a record: spread evenly from First to Last, so that it rises within a batch and repeats on a replay.
func (b *Batch) Time(index int) time.Time {
	if n := b.Len(); n > 1 {
		return b.First.Add(time.Duration(int64(b.Last.Sub(b.First)) / int64(n) * int64(index)))
	}
	return b.First
}
