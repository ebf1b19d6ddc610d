// Package scale asks the engine for as many workers as a stage needs: more at once, fewer after a while, none where
// nothing is to be done.
//
// Both engines take away the replica of the highest index first. So a replica is never taken from its work:
//
//  1. The mark "scale/STAGE" is lowered to N. From then on no server gives items to workers of index N and above.
//  2. For the grace everybody may still go by the mark as it was.
//  3. When no item is in flight at those indexes, or at the highest of them, the engine is asked for fewer.
//
// If the load rises in between, the mark is raised again, and that was all. Each step begins with what the engine says and
// what the mark says, so it does not matter who did the step before, or whether he came to its end.
package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Store is what is needed of store.Store.
type Store interface {
	Stats(ctx context.Context) (store.Stats, error)
	List(ctx context.Context, q store.Query) ([]store.Item, error)
	Mark(ctx context.Context, key string) (string, error)
	SetMark(ctx context.Context, key, value string) error
}

// Engine runs the workers.
type Engine interface {
	// Replicas that a stage is to have, as the engine knows it.
	Replicas(ctx context.Context, stage string) (int, error)
	// Scale changes it from a number to another. ErrChanged if it is no longer the first; ErrBusy if the engine takes no
	// change for now.
	Scale(ctx context.Context, stage string, from, to int, why string) error
}

// Errors of engines that are no faults.
var (
	ErrChanged = errors.New("the number of replicas was changed by somebody else")
	ErrBusy    = errors.New("the engine does not scale for now")
)

// Times of the scaler.
const (
	// Interval between two looks at a stage.
	Interval = time.Second
	// Grace is how long a server may give items by a mark that was lowered since. Half of it is for the mark to be read
	// again, the other half for a receive that has begun.
	Grace = 2 * time.Second
	// engineEvery is how often the engine is asked while nothing changes.
	engineEvery = 5 * time.Second
	// pauseMax between attempts when the engine fails.
	pauseMax = 30 * time.Second
)

// MarkKey of a stage. Its value is the number of replicas that may receive: workers of that index and above are to drain.
// "" is no bound.
func MarkKey(stage string) string { return "scale/" + stage }

// Limit reads a mark: how many replicas may receive, and whether there is a bound.
func Limit(mark string) (n int, bounded bool) {
	n, err := strconv.Atoi(mark)
	return n, err == nil && n >= 0
}

// A Scaler scales the stages of a configuration.
type Scaler struct {
	store  Store
	engine Engine
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	config *config.Config
	wake   chan struct{}
	stages map[string]*stage
}

// New makes a Scaler. Now is the time of the store, which ages of items are told by. Apply gives it its configuration.
func New(s Store, e Engine, log *slog.Logger, now func() time.Time) *Scaler {
	return &Scaler{store: s, engine: e, log: log, now: now, config: &config.Config{}, wake: make(chan struct{}, 1), stages: map[string]*stage{}}
}

// Apply puts a configuration into use.
func (s *Scaler) Apply(c *config.Config) {
	s.mu.Lock()
	s.config = c
	s.mu.Unlock()
	s.Wake()
}

// Wake lets it look at once: items have begun to wait.
func (s *Scaler) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run scales until the context ends. Only one server at a time may.
func (s *Scaler) Run(ctx context.Context) {
	s.stages = map[string]*stage{}
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	var fault string
	for {
		err := s.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != fault {
			s.log.Warn("not scaled", "error", err.Error())
		}
		fault = ""
		if err != nil {
			fault = err.Error()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
			// A burst of items wakes often; ten looks a second are at once.
			select {
			case <-ctx.Done():
				return
			case <-time.After(Interval / 10):
			}
		}
	}
}

// look at all stages once.
func (s *Scaler) look(ctx context.Context) error {
	s.mu.Lock()
	c := s.config
	s.mu.Unlock()
	stats, err := s.store.Stats(ctx)
	if err != nil {
		return fmt.Errorf("read the queue's counters: %w", err)
	}
	var errs []error
	for name, spec := range c.Stages {
		b, scaled := bounds(spec.Workers)
		if !scaled {
			delete(s.stages, name)
			errs = append(errs, s.release(ctx, name))
			continue
		}
		st := s.stages[name]
		if st == nil {
			if st, err = s.open(ctx, name); err != nil {
				errs = append(errs, err)
				continue
			}
			s.stages[name] = st
		}
		if err := st.step(ctx, b, stats.Stages[name]); err != nil {
			errs = append(errs, err)
		}
	}
	for name := range s.stages {
		if _, there := c.Stages[name]; !there {
			delete(s.stages, name)
		}
	}
	return errors.Join(errs...)
}

// release lets all workers of a stage receive whose number is fixed.
func (s *Scaler) release(ctx context.Context, name string) error {
	mark, err := s.store.Mark(ctx, MarkKey(name))
	if err == nil && mark != "" {
		err = s.store.SetMark(ctx, MarkKey(name), "")
	}
	if err != nil {
		return fmt.Errorf("stage %s: let all its workers receive: %w", name, err)
	}
	return nil
}

// Defaults of workers, where the configuration has none.
const (
	defaultTargetWait   = 10 * time.Second
	defaultScaleInAfter = 30 * time.Second
)

// bounds of a stage; scaled is false where the number is fixed.
func bounds(w config.Workers) (b Bounds, scaled bool) {
	b = Bounds{Min: 1, Max: 1, Concurrency: max(w.Concurrency, 1), TargetWait: w.TargetWait.Std(), ScaleInAfter: w.ScaleInAfter.Std()}
	if w.Min != nil {
		b.Min = *w.Min
	}
	if w.Max != nil {
		b.Max = *w.Max
	}
	if b.TargetWait == 0 {
		b.TargetWait = defaultTargetWait
	}
	if b.ScaleInAfter == 0 {
		b.ScaleInAfter = defaultScaleInAfter
	}
	return b, b.Min < b.Max
}

// ended is how many items of a stage have ended, ever; came how many there ever were, as far as counters tell.
func ended(st store.StageStats) int64 { return st.DoneTotal + st.DeadTotal }

func came(st store.StageStats) int64 {
	return ended(st) + st.Counts[api.Waiting] + st.Counts[api.Delayed] + st.Counts[api.Blocked] + st.Counts[api.InFlight]
}
