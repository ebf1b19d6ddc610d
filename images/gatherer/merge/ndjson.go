package merge

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

const ndjsonType = "application/x-ndjson"

// ndjson merges streams of lines.
type ndjson struct {
	by         string
	descending bool
	limit      int
	lineBytes  int
}

func newNDJSON(c *config.NDJSON, limits config.Limits) ndjson {
	return ndjson{by: c.By, descending: c.Order == "desc", limit: c.Limit, lineBytes: limits.LineBytes}
}

func (m ndjson) Stream(_ context.Context, in *Request, streams []Stream, out Sink) error {
	out.Header().Set("Content-Type", ndjsonType)
	w := newLineWriter(out)
	if err := m.lines(streams, out, func(_ int, line []byte) error { return w.line(line) }); err != nil {
		return err
	}
	if in.Root {
		told, err := json.Marshal(struct {
			Coverage contract.Coverage `json:"coverage"`
		}{out.Coverage()})
		if err == nil {
			err = w.line(told)
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// errEnough ends a merge that has all that is wanted.
var errEnough = errors.New("enough")

// lines of all streams in their order, each with the index of its stream. One that breaks off is Failed at the sink.
func (m ndjson) lines(streams []Stream, out Sink, take func(index int, line []byte) error) error {
	left := m.limit
	counted := func(index int, line []byte) error {
		if err := take(index, line); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	}
	var err error
	if m.by == "" {
		err = m.asTheyCome(streams, out, counted)
	} else {
		err = m.sorted(streams, out, counted)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// asTheyCome takes each line at once.
func (m ndjson) asTheyCome(streams []Stream, out Sink, take func(int, []byte) error) error {
	var mu sync.Mutex
	var first error
	var group sync.WaitGroup
	for i := range streams {
		group.Go(func() {
			r := newLineReader(&streams[i], i, m)
			for {
				err := r.next()
				mu.Lock()
				switch {
				case first != nil:
					mu.Unlock()
					return
				case err == io.EOF: //nolint:errorlint // the reader's own
					mu.Unlock()
					return
				case err != nil:
					first = out.Failed(i, err)
					mu.Unlock()
					return
				}
				if first = take(i, r.line); first != nil {
					mu.Unlock()
					return
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return first
}

// sorted merges streams that are sorted each (k-way, by a heap of their first lines).
func (m ndjson) sorted(streams []Stream, out Sink, take func(int, []byte) error) error {
	// The first line of each may take a while: they are waited for together.
	all := make([]*lineReader, len(streams))
	faults := make([]error, len(streams))
	var group sync.WaitGroup
	for i := range streams {
		all[i] = newLineReader(&streams[i], i, m)
		group.Go(func() { faults[i] = all[i].next() })
	}
	group.Wait()
	q := &queue{descending: m.descending}
	for i, r := range all {
		switch {
		case faults[i] == nil:
			q.all = append(q.all, r)
		case faults[i] != io.EOF: //nolint:errorlint // the reader's own
			if err := out.Failed(i, faults[i]); err != nil {
				return err
			}
		}
	}
	heap.Init(q)
	for len(q.all) > 0 {
		r := q.all[0]
		if err := take(r.index, r.line); err != nil {
			return err
		}
		switch err := r.next(); {
		case err == nil:
			heap.Fix(q, 0)
			continue
		case err != io.EOF: //nolint:errorlint // the reader's own
			if err := out.Failed(r.index, err); err != nil {
				return err
			}
		}
		heap.Pop(q)
	}
	return nil
}

// queue is a heap of readers by their present lines.
type queue struct {
	all        []*lineReader
	descending bool
}

func (q *queue) Len() int      { return len(q.all) }
func (q *queue) Swap(i, j int) { q.all[i], q.all[j] = q.all[j], q.all[i] }
func (q *queue) Push(x any)    { q.all = append(q.all, x.(*lineReader)) }
func (q *queue) Pop() any {
	last := q.all[len(q.all)-1]
	q.all = q.all[:len(q.all)-1]
	return last
}

func (q *queue) Less(i, j int) bool {
	a, b := q.all[i], q.all[j]
	if n := compare(&a.key, &b.key, q.descending); n != 0 {
		return n < 0
	}
	return a.index < b.index
}

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
		if !gjson.ValidBytes(r.line) {
			return errors.New("a line is not valid JSON")
		}
		if told, err := coverageLine(r.line); told {
			if err != nil {
				return err
			}
			continue // the last line of a scatter/gather below this one
		}
		if r.merge.by == "" {
			return nil
		}
		r.key = keyOf(gjson.GetBytes(r.line, r.merge.by))
		r.key.text = string([]byte(r.key.text)) // the line's memory is used again
		if r.begun && compare(&r.before, &r.key, r.merge.descending) > 0 {
			return fmt.Errorf("it is not sorted by %q", r.merge.by)
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
		case err == nil && len(r.long) == 0:
			r.line = piece
			return nil
		case len(r.long)+len(piece) > r.merge.lineBytes:
			return fmt.Errorf("a line has more than %d bytes (limits.line_bytes)", r.merge.lineBytes)
		}
		r.long = append(r.long, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && len(r.long) > 0, err == nil: //nolint:errorlint // as io.Reader has it
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
	if d.Decode(&told) != nil || told.Coverage == nil || told.Coverage.Shards == 0 {
		return false, nil // a line like any other
	}
	if !told.Coverage.Complete {
		return true, fmt.Errorf("it is of %d shards of %d", told.Coverage.Answered, told.Coverage.Shards)
	}
	return true, nil
}

// lineWriter gathers lines, and does not keep them for long.
type lineWriter struct {
	*bufio.Writer
	out  Sink
	last time.Time
	n    int
}

func newLineWriter(out Sink) *lineWriter {
	return &lineWriter{Writer: bufio.NewWriterSize(out, 32<<10), out: out, last: time.Now()}
}

func (w *lineWriter) line(line []byte) error {
	if _, err := w.Write(line); err != nil {
		return err
	}
	if err := w.WriteByte('\n'); err != nil {
		return err
	}
	if w.n++; w.n%64 == 0 && time.Since(w.last) > 50*time.Millisecond {
		w.last = time.Now()
		return w.Flush()
	}
	return nil
}

// Flush through to the client.
func (w *lineWriter) Flush() error {
	if err := w.Writer.Flush(); err != nil {
		return err
	}
	w.out.Flush()
	return nil
}
