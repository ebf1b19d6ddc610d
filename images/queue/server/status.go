package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// board is the version of the status, for those who wait for the next.
type board struct {
	mu      sync.Mutex
	version int64
	changed chan struct{}
}

// touch: the status has changed.
func (b *board) touch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) now() (int64, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version, b.changed
}

// tell the status, at once or when it is newer than one that is known: GET /v1/status.
func (s *Server) tell(r *request) error {
	q := r.URL.Query()
	wait, err := length("wait", q.Get("wait"), api.MaxWait)
	if err != nil {
		return err
	}
	if text := q.Get("since"); text != "" && wait > 0 {
		since, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return invalid(fmt.Sprintf("since: %q is not a version", text))
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		for {
			version, changed := s.status.now()
			if version != since { // lower is of a server that has begun anew
				break
			}
			select {
			case <-changed:
				continue
			case <-ctx.Done():
			case <-s.drain:
			}
			break
		}
	}
	status, err := s.Status(r.Context())
	if err != nil {
		return err
	}
	return r.answer(status)
}

// Status of the pipeline.
func (s *Server) Status(ctx context.Context) (*api.Status, error) {
	c := s.plan.Load()
	version, _ := s.status.now()
	out := &api.Status{Instance: c.Identity.Instance, Version: version, Stages: []api.StageStatus{}}
	// In the order of the flow: what is read to its end is in the counters that are read after it, and what is done in the
	// sink's. The other way round all could seem to be done between two of them.
	var err error
	if s.o.Source != nil {
		if out.Source, err = s.o.Source(ctx); err != nil {
			return nil, err
		}
	}
	stats, err := s.o.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	names := c.Order()
	for _, name := range slices.Sorted(maps.Keys(stats.Stages)) { // removed ones that have items
		if !slices.Contains(names, name) && open(stats.Stages[name])+stats.Stages[name].Counts[api.Dead] > 0 {
			names = append(names, name)
		}
	}
	left := int64(0)
	now := s.o.Now()
	for _, name := range names {
		stage, configured := c.Stages[name]
		one := api.StageStatus{Name: name, From: stage.From, Counts: map[api.State]int64{}, Removed: !configured, PerSecond: s.past.perSecond(name), Workers: s.crew.count(name)}
		if one.From == nil {
			one.From = []string{}
		}
		has := stats.Stages[name]
		for _, state := range api.States {
			if n := has.Counts[state]; n > 0 {
				one.Counts[state] = n
			}
		}
		if !has.Oldest.IsZero() {
			one.OldestSeconds = max(0, now.Sub(has.Oldest).Seconds())
		}
		if s.scaled(name) {
			known, err := s.limits.of(ctx, s.o.Store, name)
			if err != nil {
				return nil, err
			}
			if known.bounded {
				one.Wanted = &known.n
			}
		}
		if configured {
			left += open(has)
		}
		out.Stages = append(out.Stages, one)
	}
	if s.o.Sink != nil {
		if out.Sink, err = s.o.Sink(ctx); err != nil {
			return nil, err
		}
		if out.Sink != nil {
			left += out.Sink.Pending
		}
	}
	out.Drained = out.Source.Finite && out.Source.Read && left == 0
	return out, nil
}

// open items are neither done nor dead.
func open(s store.StageStats) (n int64) {
	for _, state := range []api.State{api.Waiting, api.Delayed, api.Blocked, api.InFlight} {
		n += s.Counts[state]
	}
	return n
}
