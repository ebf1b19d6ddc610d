package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// stage that is scaled.
type stage struct {
	*Scaler
	name string

	window  window
	measure measure
	kept    string // of the measurement, in the store

	replicas int
	asked    time.Time // when the engine said so; zero if it has not
	stale    bool      // it says something else by now

	mark    string
	lowered time.Time // when it was lowered, or first seen

	quiet time.Time // the engine is not asked to scale before
	pause time.Duration
	fault string
}

// tolerance is the part of the replicas that is not worth a change: measured values waver.
const tolerance = 8

func measureKey(stage string) string { return "scale/" + stage + ".duration" }

func (s *Scaler) open(ctx context.Context, name string) (*stage, error) {
	st := &stage{Scaler: s, name: name, lowered: s.now()}
	var err error
	if st.mark, err = s.store.Mark(ctx, MarkKey(name)); err == nil {
		st.kept, err = s.store.Mark(ctx, measureKey(name))
	}
	if err != nil {
		return nil, fmt.Errorf("stage %s: read how it was scaled: %w", name, err)
	}
	if st.kept != "" {
		_ = json.Unmarshal([]byte(st.kept), &st.measure) // it is measured anew
	}
	return st, nil
}

// step decides, and does what can be done now.
func (st *stage) step(ctx context.Context, b Bounds, stats store.StageStats) error {
	now := st.now()
	waiting, inFlight := stats.Counts[api.Waiting], stats.Counts[api.InFlight]
	st.measure.add(now, ended(stats), came(stats), inFlight)
	if err := st.keep(ctx, waiting+inFlight == 0); err != nil {
		return err
	}
	if st.stale || now.Sub(st.asked) >= engineEvery {
		if err := st.ask(ctx); err != nil {
			return err
		}
	}
	if st.asked.IsZero() {
		return nil // nothing is known, so nothing is done
	}
	load := Load{
		Waiting: waiting, InFlight: inFlight, Duration: st.measure.duration(), Arrivals: st.measure.arrived, Replicas: st.replicas,
	}
	if !stats.Oldest.IsZero() {
		load.Oldest = max(now.Sub(stats.Oldest), 0)
	}
	wanted, why := load.Wanted(b)
	enough, sure := st.window.add(now, wanted, b.ScaleInAfter)
	switch {
	case wanted > st.replicas:
		return st.out(ctx, wanted, why)
	case st.replicas > b.Max:
		return st.in(ctx, b.Max, fmt.Sprintf("workers.max is %d", b.Max))
	case sure && enough < st.replicas-st.replicas/tolerance:
		return st.in(ctx, max(enough, b.Min), fmt.Sprintf("%d were enough for %s; now %s", enough, b.ScaleInAfter, why))
	}
	return st.bound(ctx, st.replicas) // a scale-in that is no longer wanted ends here
}

// keep the measurement, for whoever begins anew: at the end of work, and when it has changed a lot.
func (st *stage) keep(ctx context.Context, idle bool) error {
	var kept measure
	if st.kept != "" {
		_ = json.Unmarshal([]byte(st.kept), &kept)
	}
	is, was := st.measure.duration(), kept.duration()
	if is == 0 || is == was || !idle && was != 0 && is < 2*was && was < 2*is {
		return nil
	}
	if idle && was != 0 && is < was*11/10 && was < is*11/10 {
		return nil
	}
	text := st.measure.text()
	if err := st.store.SetMark(ctx, measureKey(st.name), text); err != nil {
		return fmt.Errorf("stage %s: keep how long its items take: %w", st.name, err)
	}
	st.kept = text
	return nil
}

// ask the engine how many there are, and the store for the mark. What they say is the truth, also where somebody else has
// changed it.
func (st *stage) ask(ctx context.Context) error {
	if st.now().Before(st.quiet) {
		return nil
	}
	if _, err := st.read(ctx); err != nil {
		return err
	}
	n, err := st.engine.Replicas(ctx, st.name)
	if err != nil {
		return st.failed(err)
	}
	if n != st.replicas && !st.asked.IsZero() {
		st.log.Info("replicas were changed by somebody else", "stage", st.name, "from", st.replicas, "to", n)
	}
	st.replicas, st.asked, st.stale = n, st.now(), false
	return nil
}

// read the mark again; same tells that it is as it was left.
func (st *stage) read(ctx context.Context) (same bool, err error) {
	mark, err := st.store.Mark(ctx, MarkKey(st.name))
	if err != nil {
		return false, fmt.Errorf("stage %s: read how many of its workers may receive: %w", st.name, err)
	}
	if mark == st.mark {
		return true, nil
	}
	st.mark, st.lowered = mark, st.now()
	return false, nil
}

// bound sets the mark, if it is another one.
func (st *stage) bound(ctx context.Context, n int) error {
	text := strconv.Itoa(n)
	if st.mark == text {
		return nil
	}
	if err := st.store.SetMark(ctx, MarkKey(st.name), text); err != nil {
		return fmt.Errorf("stage %s: set how many of its workers may receive: %w", st.name, err)
	}
	if before, bounded := Limit(st.mark); !bounded || n < before {
		st.lowered = st.now()
	}
	st.mark = text
	return nil
}

// out lets new workers receive before they are there.
func (st *stage) out(ctx context.Context, to int, why string) error {
	if err := st.bound(ctx, to); err != nil {
		return err
	}
	return st.scale(ctx, to, why)
}

// in takes those away that have nothing in their hands, from the highest index down to the first that has.
func (st *stage) in(ctx context.Context, to int, why string) error {
	if err := st.bound(ctx, to); err != nil {
		return err
	}
	if st.now().Sub(st.lowered) < Grace {
		return nil
	}
	if st.now().Before(st.quiet) {
		return nil
	}
	busy, err := st.busy(ctx)
	if err != nil {
		return fmt.Errorf("stage %s: see which workers are busy: %w", st.name, err)
	}
	free := max(to, busy+1)
	if free >= st.replicas {
		return nil
	}
	// A server that was the scaler before, and has not heard that it no longer is, could have raised the mark.
	if same, err := st.read(ctx); err != nil || !same {
		return err
	}
	return st.scale(ctx, free, why)
}

// busy is the highest index that has an item, -1 if none has.
func (st *stage) busy(ctx context.Context) (int, error) {
	const page = 1000
	highest := -1
	for q := (store.Query{Stage: st.name, State: api.InFlight, Limit: page}); ; {
		items, err := st.store.List(ctx, q)
		if err != nil {
			return 0, err
		}
		for _, i := range items {
			highest = max(highest, i.Index)
		}
		if len(items) < page {
			return highest, nil
		}
		q.After = items[len(items)-1].ID
	}
}

func (st *stage) scale(ctx context.Context, to int, why string) error {
	if st.now().Before(st.quiet) {
		return nil
	}
	err := st.engine.Scale(ctx, st.name, st.replicas, to, why)
	switch {
	case errors.Is(err, ErrChanged):
		st.stale = true
		return nil
	case err != nil:
		return st.failed(err)
	}
	st.log.Info("scaled", "stage", st.name, "from", st.replicas, "to", to, "why", why)
	st.replicas, st.asked = to, st.now()
	st.pause, st.fault = 0, ""
	return nil
}

// failed leaves the engine alone for a while: for a growing while, unless it is just busy.
func (st *stage) failed(err error) error {
	if errors.Is(err, ErrBusy) {
		st.quiet = st.now().Add(Interval)
		if st.fault != ErrBusy.Error() {
			st.log.Info("waiting to scale", "stage", st.name, "reason", err.Error())
		}
		st.fault = ErrBusy.Error()
		return nil
	}
	st.pause = min(max(2*st.pause, Interval), pauseMax)
	st.quiet = st.now().Add(st.pause/2 + rand.N(st.pause/2+1))
	return fmt.Errorf("stage %s: %w", st.name, err)
}
