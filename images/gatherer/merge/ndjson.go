package merge

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// ndjson merges streams of lines.
type ndjson struct {
	by         path
	descending bool
	limit      int
	lineBytes  int
}

func newNDJSON(c *config.NDJSON, limits config.Limits) ndjson {
	return ndjson{by: newPath(c.By), descending: c.Order == "desc", limit: c.Limit, lineBytes: limits.LineBytes}
}

func (m ndjson) Stream(_ context.Context, in *Request, streams []Stream, out Sink) error {
	out.Header().Set("Content-Type", contract.TypeNDJSON)
	w := newFlusher(out)
	defer w.stop()
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
	return w.finish()
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
	if m.by.fields == "" {
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
				default:
					first = take(i, r.line)
				}
				stop := first
				mu.Unlock()
				if stop != nil {
					interrupt(streams) // the others may wait for long
				}
				if stop != nil || err != nil {
					return
				}
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
