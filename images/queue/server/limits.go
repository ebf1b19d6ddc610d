package server

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// limits are how many replicas of each stage may receive, as whoever scales has marked it.
type limits struct {
	mu    sync.Mutex
	known map[string]limit
	reads singleflight.Group
}

type limit struct {
	n       int
	bounded bool
	read    time.Time // when the reading began
}

const (
	// limitEvery is well within the time that the scaler gives (scale.Grace).
	limitEvery = scale.Grace / 2
	// takeTime after a mark was read nothing may be given by it any more: the scaler looks scale.Grace after it has set one.
	takeTime = scale.Grace * 9 / 10
	// markTime bounds one reading of a mark.
	markTime = 5 * time.Second
)

// marks are those of the store.
type marks interface {
	Mark(ctx context.Context, key string) (string, error)
}

// scaled says whether the number of a stage's workers changes. A mark that is left of a stage that is no longer scaled
// counts for nothing.
func (s *Server) scaled(stage string) bool {
	c := s.plan.Load()
	w := c.Stages[stage].Workers
	return c.Scale != nil && w.Min != nil && w.Max != nil && *w.Min != *w.Max
}

// drains tells whether a worker gets nothing more, as it is about to be taken away, and as of when; never where nothing is
// scaled.
func (s *Server) drains(ctx context.Context, stage string, index int) (read time.Time, drains bool, err error) {
	if !s.scaled(stage) {
		return time.Time{}, false, nil
	}
	known, err := s.limits.of(ctx, s.o.Store, stage)
	return known.read, known.bounded && index >= known.n, err
}

// of a stage. Who asks while it is read waits for that.
func (l *limits) of(ctx context.Context, m marks, stage string) (limit, error) {
	l.mu.Lock()
	known, ok := l.known[stage]
	l.mu.Unlock()
	if ok && time.Since(known.read) < limitEvery {
		return known, nil
	}
	got, err, _ := l.reads.Do(stage, func() (any, error) {
		begun := time.Now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTime) // others wait for it too
		defer cancel()
		text, err := m.Mark(ctx, scale.MarkKey(stage))
		if err != nil {
			return limit{}, err
		}
		n, bounded := scale.Limit(text)
		known := limit{n: n, bounded: bounded, read: begun}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.known == nil {
			l.known = map[string]limit{}
		}
		l.known[stage] = known
		return known, nil
	})
	return got.(limit), err
}
