package saver

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/checkpoint"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/discover"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// An entry is one file that is known, with what the reader knows of it now. What is in the checkpoint is guarded by the
// registry; the rest belongs to the reader alone, except for the figures that metrics show.
type entry struct {
	checkpoint.File
	input  *input
	stream string

	file *follow.File // nil while closed, or while what it was is still to be found out
	// replay are the first of the pending ranges, which a predecessor cut and which are to be cut again.
	replay []checkpoint.Range

	// Figures; guarded by the registry.
	size   int64     // when last looked at
	since  time.Time // when the oldest byte was seen that is not cut yet; zero if there is none
	oldest time.Time // the same of bytes that are not acknowledged
	// modified is when a file was written last that was finished and closed.
	modified time.Time

	grown   time.Time // when the size was last seen to change
	lastCut time.Time
	rotated bool      // another name than that of the live file
	removed bool      // no name at all
	ended   time.Time // when it was found truncated
	urgent  bool      // was there before us: nobody knows since when
	doubted int64     // bytes that were seen and not read before the file was truncated
	held    attempt   // the last attempt that gave nothing
}

// An attempt to cut, to be repeated only if something has changed.
type attempt struct {
	size, offset int64
	mode         int
}

// offset is where reading goes on.
func (e *entry) offset() int64 {
	if e.file != nil {
		return e.file.Offset()
	}
	if n := len(e.Pending); n > 0 {
		return e.Pending[n-1].End
	}
	return e.Offset
}

// unread is the number of bytes that are not cut yet.
func (e *entry) unread() int64 { return max(e.size-e.offset(), 0) }

// next is about how many bytes the next cut has.
func (e *entry) next() int64 {
	if len(e.replay) > 0 {
		return e.replay[0].End - e.file.Offset()
	}
	return e.unread()
}

// resume is where reading goes on after the file was closed, and the fingerprint of the bytes before that.
func (e *entry) resume() (int64, follow.Print) {
	if k := len(e.Pending) - len(e.replay); k > 0 {
		return e.Pending[k-1].End, e.Pending[k-1].Tail
	}
	return e.Offset, e.Tail
}

// A registry is all files that are known. Its state is what the checkpoint keeps.
type registry struct {
	mu      sync.Mutex
	state   checkpoint.State // without its files
	version uint64
	entries []*entry
	touch   func() // says that the state has changed
}

func newRegistry(state checkpoint.State, touch func()) *registry {
	state.Files = nil
	return &registry{state: state, version: 1, touch: touch}
}

// change runs f with the registry locked, and gives the version that has its effect.
func (r *registry) change(f func()) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.version++
	r.touch()
	return r.version
}

// snapshot is what the checkpoint writes.
func (r *registry) snapshot() (checkpoint.State, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.state
	state.Inputs = slices.Clone(state.Inputs)
	state.Files = make([]checkpoint.File, len(r.entries))
	for i, e := range r.entries {
		state.Files[i] = e.File
		state.Files[i].Pending = slices.Clone(e.Pending)
	}
	return state, r.version
}

// add takes up a file that was never seen.
func (r *registry) add(found discover.Found, in *input) *entry {
	e := &entry{input: in, size: found.Size, grown: found.Modified, rotated: found.Rotated}
	r.change(func() {
		e.File = checkpoint.File{
			Identity: fmt.Sprintf("%s-%06d", r.state.Saver, r.state.Next),
			Input:    found.Input, Rel: found.Rel, Path: found.Path, Key: found.Key,
		}
		e.stream = streamName(r.state.Source, found.Input, found.Rel)
		r.state.Next++
		r.entries = append(r.entries, e)
	})
	return e
}

// restore takes up a file of the checkpoint.
func (r *registry) restore(file checkpoint.File, in *input) *entry {
	e := &entry{File: file, input: in, stream: streamName(r.state.Source, file.Input, file.Rel), replay: slices.Clone(file.Pending)}
	if file.Truncated {
		e.ended = time.Now()
	}
	r.entries = append(r.entries, e)
	return e
}

// forget drops a file for good.
func (r *registry) forget(e *entry) {
	if e.file != nil {
		_ = e.file.Close()
		e.file = nil
	}
	r.change(func() { r.entries = slices.DeleteFunc(r.entries, func(other *entry) bool { return other == e }) })
}

// of finds the file that has the key now.
func (r *registry) of(key follow.Key) *entry {
	for _, e := range r.entries {
		if e.Key == key && !e.Truncated {
			return e
		}
	}
	return nil
}

// Ack notes that a range is delivered. It is safe for concurrent use.
func (r *registry) Ack(identity string, start, end int64) {
	r.change(func() {
		i := slices.IndexFunc(r.entries, func(e *entry) bool { return e.Identity == identity })
		if i >= 0 {
			r.entries[i].ack(end)
		}
	})
}

func (e *entry) ack(end int64) {
	for i := range e.Pending {
		if e.Pending[i].End == end {
			e.Pending[i].Done = true
		}
	}
	for len(e.Pending) > 0 && e.Pending[0].Done {
		e.Offset, e.Tail = e.Pending[0].End, e.Pending[0].Tail
		e.Pending = slices.Delete(e.Pending, 0, 1)
	}
	switch {
	case len(e.Pending) > 0:
		e.oldest = e.Pending[0].First
	default:
		e.oldest = e.since
	}
}

// streamName is the beginning of object names. What might trouble an object store or a path is percent-encoded.
func streamName(source, input, rel string) string {
	return escape(source) + "/" + input + "/" + escape(rel)
}

func escape(text string) string {
	safe := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == '/' || c == '='
	}
	var out []byte
	for i := range len(text) {
		if c := text[i]; safe(c) {
			out = append(out, c)
		} else {
			out = fmt.Appendf(out, "%%%02X", c)
		}
	}
	return string(out)
}

// batch describes a range of the file.
func (r *registry) batch(e *entry, start int64, cut checkpoint.Range) *batch.Batch {
	return &batch.Batch{
		Source: r.state.Source, Input: e.Input, File: e.Rel, Stream: e.stream, Identity: e.Identity,
		Start: start, End: cut.End, First: cut.First, Last: cut.Last,
		Name: batch.ObjectName(e.stream, e.Identity, start, cut.End),
	}
}
