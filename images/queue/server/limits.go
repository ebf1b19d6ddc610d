package server

import (
	"context"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// limits are how many replicas of each stage may receive, as whoever scales has marked it.
type limits struct {
	mu    sync.Mutex
	known map[string]limit
}

type limit struct {
	n       int
	bounded bool
	read    time.Time
}

// limitEvery is well within the time that the scaler gives (scale.Grace).
const limitEvery = scale.Grace / 2

// marks are those of the store.
type marks interface {
	Mark(ctx context.Context, key string) (string, error)
}

// drains tells whether a worker gets nothing more, as it is about to be taken away. A mark that is left of a stage that is
// no longer scaled counts for nothing.
func (s *Server) drains(ctx context.Context, stage string, index int) (bool, error) {
	c := s.config.Load()
	if w := c.Stages[stage].Workers; c.Scale == nil || *w.Min == *w.Max {
		return false, nil
	}
	return s.limits.reached(ctx, s.o.Store, stage, index)
}

// reached tells whether a worker of an index is to drain.
func (l *limits) reached(ctx context.Context, m marks, stage string, index int) (bool, error) {
	known, err := l.of(ctx, m, stage)
	return known.bounded && index >= known.n, err
}

func (l *limits) of(ctx context.Context, m marks, stage string) (limit, error) {
	l.mu.Lock()
	known, ok := l.known[stage]
	l.mu.Unlock()
	begun := time.Now()
	if ok && begun.Sub(known.read) < limitEvery {
		return known, nil
	}
	text, err := m.Mark(ctx, scale.MarkKey(stage))
	if err != nil {
		return limit{}, err
	}
	n, bounded := scale.Limit(text)
	known = limit{n: n, bounded: bounded, read: begun}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]limit{}
	}
	l.known[stage] = known
	return known, nil
}
