package merge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// lineReader holds one line of a stream.
type lineReader struct {
	index  int
	line   []byte // without its end; valid until next
	key    sortKey
	in     *bufio.Reader
	long   []byte
	merge  ndjson
	before sortKey
	begun  bool
	texts  [2][]byte // of key and before, by turns
	turn   int
}

// readerBytes of each stream.
const readerBytes = 16 << 10

func newLineReader(s *Stream, index int, m ndjson) *lineReader {
	return &lineReader{index: index, merge: m, in: bufio.NewReaderSize(s.Body, readerBytes)}
}

// next reads a line that is not empty. At the end of the stream it is io.EOF.
func (r *lineReader) next() error {
	for {
		if err := r.read(); err != nil {
			return err
		}
		if r.line = bytes.TrimSpace(r.line); len(r.line) == 0 {
			continue
		}
		if err := valid(r.line); err != nil {
			return fmt.Errorf("a line: %w", err)
		}
		if told, err := coverageLine(r.line); told {
			if err != nil {
				return err
			}
			continue // the last line of a scatter/gather below this one
		}
		if r.merge.by.fields == "" {
			return nil
		}
		r.key = keyOf(gjson.Get(text(r.line), r.merge.by.escaped))
		// The line's memory is used again, while the key is compared with the next.
		r.turn = 1 - r.turn
		r.texts[r.turn] = append(r.texts[r.turn][:0], r.key.text...)
		r.key.text = text(r.texts[r.turn])
		if r.begun && compare(&r.before, &r.key, r.merge.descending) > 0 {
			return fmt.Errorf("it is not sorted by %q", r.merge.by.fields)
		}
		r.before, r.begun = r.key, true
		return nil
	}
}

func (r *lineReader) read() error {
	r.long = r.long[:0]
	for {
		piece, err := r.in.ReadSlice('\n')
		switch {
		case len(r.long)+len(piece) > r.merge.lineBytes+1: // with its end
			return fmt.Errorf("a line has more than %d bytes (limits.line_bytes)", r.merge.lineBytes)
		case err == nil && len(r.long) == 0:
			r.line = piece
			return nil
		}
		r.long = append(r.long, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && len(r.long) > 0, err == nil:
			r.line = r.long
			return nil
		default:
			return err
		}
	}
}

var coverageStart = []byte(`{"coverage":`)

// coverageLine tells whether a line is what a root ends a stream with, and whether it says that something is missing.
func coverageLine(line []byte) (bool, error) {
	if !bytes.HasPrefix(line, coverageStart) {
		return false, nil
	}
	var told struct {
		Coverage *contract.Coverage `json:"coverage"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	isCoverage := d.Decode(&told) == nil && told.Coverage != nil && told.Coverage.Shards > 0
	if !isCoverage {
		return false, nil // a line like any other
	}
	if !told.Coverage.Complete {
		return true, fmt.Errorf("it is of %d shards of %d", told.Coverage.Answered, told.Coverage.Shards)
	}
	return true, nil
}
