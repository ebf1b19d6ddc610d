package server

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/merge"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
)

// stream answers a request while its parts are still coming. The deadline is that of the answers' heads; after it, each side has
// a moment for each piece.
func (t *task) stream(w http.ResponseWriter, r *http.Request) {
	g := t.s.Scatterer.Open(r.Context(), &t.request)
	defer g.Release()
	failed := ""
	defer func() { t.request.Span.End(failed) }()
	if r.Context().Err() != nil {
		t.s.Metrics.count(statusGone)
		return
	}
	if g.Refusal != nil {
		t.s.write(w, t.merge(r.Context(), g))
		return
	}
	if !t.enough(g.Coverage) {
		failed = "insufficient"
		t.s.write(w, t.insufficient(g.Coverage))
		return
	}
	out := &sink{t: t, w: w, control: http.NewResponseController(w), coverage: g.Coverage, parts: g.Parts}
	streams := make([]merge.Stream, len(g.Parts))
	for i := range g.Parts {
		p := &g.Parts[i]
		streams[i] = merge.Stream{Child: p.Child.Name, Shards: p.Shards, ContentType: p.ContentType, Body: &patient{p}}
	}
	out.head()
	err := t.s.Streamer.Stream(r.Context(), &t.merging, streams, out)
	if err == nil {
		err = out.finish()
	}
	t.s.Metrics.count(http.StatusOK)
	t.s.tally.streamed(err, out.Coverage())
	if err != nil {
		failed = err.Error()
		t.s.Metrics.unmerged.Inc()
		t.s.Log.Warn("an answer broke off", "error", err.Error())
		panic(http.ErrAbortHandler) // the client must not take what it has for the whole
	}
}

// piecePatience is how long the next piece of a stream may take, on either side.
const piecePatience = 30 * time.Second

// A sink takes what a Streamer makes, and keeps account of the coverage.
type sink struct {
	t       *task
	w       http.ResponseWriter
	control *http.ResponseController
	parts   []scatter.Part

	mu       sync.Mutex
	coverage contract.Coverage
}

func (o *sink) head() {
	header := o.w.Header()
	header.Set("Trailer", contract.HeaderCoverage+", "+contract.HeaderMissing)
	o.Coverage().Write(header)
}

// Header of the answer, until something is written.
func (o *sink) Header() http.Header { return o.w.Header() }

// Write sends something.
func (o *sink) Write(p []byte) (int, error) {
	_ = o.control.SetWriteDeadline(time.Now().Add(piecePatience)) // every connection of this server has deadlines
	return o.w.Write(p)
}

// Flush what was written.
func (o *sink) Flush() { _ = o.control.Flush() } // the next Write says it

// Coverage as it is known by now.
func (o *sink) Coverage() contract.Coverage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.coverage
}

// errShort says that what has come is no answer any more.
var errShort = errors.New("too few shards are left")

// Failed notes that a stream broke off. An error says that the answer is not worth going on with.
func (o *sink) Failed(index int, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	reason := "broken off: " + err.Error()
	o.coverage = without(o.coverage, o.parts[index].Shards, reason)
	o.t.s.Scatterer.Invalid(o.parts[index].Child.Name, reason)
	if !o.t.enough(o.coverage) {
		return errShort
	}
	return nil
}

// finish with the coverage that turned out.
func (o *sink) finish() error {
	c := o.Coverage()
	for i := range o.parts { // what parents found out after the heads of their answers
		told := o.parts[i].Stream.Trailer(contract.HeaderMissing)
		if told == "" {
			continue
		}
		missing, err := contract.ParseMissing(told)
		if err != nil {
			return err
		}
		c = merged(c, missing)
	}
	o.mu.Lock()
	o.coverage = c
	o.mu.Unlock()
	if !o.t.enough(c) {
		return errShort
	}
	if !c.Complete {
		o.t.s.Metrics.partial.Inc()
	}
	c.Write(o.w.Header())
	return nil
}

// merged adds missing shards that are not known yet.
func merged(c contract.Coverage, missing []contract.Missing) contract.Coverage {
	known := map[string]bool{}
	for _, m := range c.Missing {
		known[m.Shard] = true
	}
	for _, m := range missing {
		if shard, err := strconv.Atoi(m.Shard); err == nil && !known[m.Shard] {
			c = without(c, []int{shard}, m.Reason)
		}
	}
	return c
}

// patient reads a part, each piece of which has its time.
type patient struct{ part *scatter.Part }

func (b *patient) Read(p []byte) (int, error) {
	watch := time.AfterFunc(piecePatience, b.part.Cancel)
	defer watch.Stop()
	return b.part.Stream.Read(p)
}

// Close lets a Read return that waits: a merge wants no more of it.
func (b *patient) Close() error {
	b.part.Cancel()
	return nil
}
