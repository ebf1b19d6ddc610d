package scale

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// world is a queue of one stage, its workers, and the engine that runs them, second by second, in a time of its own.
type world struct {
	t      *testing.T
	now    time.Time
	random *rand.Rand

	waiting    []time.Time // since when
	working    []*job
	done       int64
	marks      map[string]string
	before     string    // the mark as it was, which servers may still go by
	marked     time.Time // since when it is another
	replicas   int
	alive      map[int]time.Time // workers by index, and when they are ready
	startup    time.Duration
	fails      func() error
	killed     int // in the middle of an item
	waits      []time.Duration
	changes    []change
	paid       float64 // seconds of replicas
	worked     float64 // seconds of work
	concurrent int
	duration   func() time.Duration

	surprising bool // items come at the worst moment
	surprises  int64
}

type job struct {
	index int
	ends  time.Time
}

type change struct {
	at       time.Time
	from, to int
}

func (w *world) Stats(context.Context) (store.Stats, error) {
	s := store.StageStats{Counts: map[api.State]int64{api.Waiting: int64(len(w.waiting)), api.InFlight: int64(len(w.working))}, DoneTotal: w.done}
	if len(w.waiting) > 0 {
		s.Oldest = w.waiting[0]
	}
	return store.Stats{Stages: map[string]store.StageStats{"resize": s}}, nil
}

func (w *world) List(_ context.Context, q store.Query) ([]store.Item, error) {
	require.Equal(w.t, api.InFlight, q.State)
	var out []store.Item
	for i, j := range w.working {
		if id := int64(i + 1); id > q.After && len(out) < q.Limit {
			out = append(out, store.Item{Lease: store.Lease{ID: id}, Index: j.index})
		}
	}
	return out, nil
}

func (w *world) Mark(_ context.Context, key string) (string, error) { return w.marks[key], nil }

func (w *world) SetMark(_ context.Context, key, value string) error {
	if key == MarkKey("resize") {
		w.before, w.marked = w.marks[key], w.now
	}
	w.marks[key] = value
	return nil
}

// read the mark as one of the servers does: as it is, or as it was less than the grace ago.
func (w *world) read() string {
	if w.now.Sub(w.marked) < Grace && w.random.IntN(2) == 0 {
		return w.before
	}
	return w.marks[MarkKey("resize")]
}

func (w *world) Replicas(context.Context, string) (int, error) { return w.replicas, w.fault() }

func (w *world) fault() error {
	if w.fails != nil {
		return w.fails()
	}
	return nil
}

func (w *world) Scale(_ context.Context, _ string, from, to int, _ string) error {
	if err := w.fault(); err != nil {
		return err
	}
	if w.replicas != from {
		return ErrChanged
	}
	if w.surprising { // the last that can happen before the engine acts
		w.waiting = append(w.waiting, w.now)
		w.surprises++
		w.receive()
	}
	w.set(to)
	w.changes = append(w.changes, change{w.now, from, to})
	return nil
}

// set is what the engine does: the highest indexes go.
func (w *world) set(n int) {
	w.replicas = n
	for i := range n {
		if _, there := w.alive[i]; !there {
			w.alive[i] = w.now.Add(w.startup)
		}
	}
	for i := range w.alive {
		if i >= n {
			delete(w.alive, i)
		}
	}
	w.working = slices.DeleteFunc(w.working, func(j *job) bool {
		if j.index >= n {
			w.killed++
			w.waiting = append([]time.Time{w.now}, w.waiting...)
		}
		return j.index >= n
	})
}

// second passes: items end, arrive and are received.
func (w *world) second(arrivals int) {
	w.paid += float64(len(w.alive))
	w.now = w.now.Add(time.Second)
	w.working = slices.DeleteFunc(w.working, func(j *job) bool {
		if !j.ends.After(w.now) {
			w.done++
			return true
		}
		return false
	})
	for range arrivals {
		w.waiting = append(w.waiting, w.now)
	}
	w.receive()
}

func (w *world) receive() {
	limit, bounded := Limit(w.read())
	var free []int
	for i, ready := range w.alive {
		has := 0
		for _, j := range w.working {
			if j.index == i {
				has++
			}
		}
		if !ready.After(w.now) && (!bounded || i < limit) {
			for range w.concurrent - has {
				free = append(free, i)
			}
		}
	}
	slices.Sort(free) // a map has no order, and the simulation is to have one
	w.random.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	for _, i := range free {
		if len(w.waiting) == 0 {
			break
		}
		d := w.duration()
		w.waits = append(w.waits, w.now.Sub(w.waiting[0]))
		w.waiting = w.waiting[1:]
		w.working = append(w.working, &job{i, w.now.Add(d)})
		w.worked += d.Seconds()
	}
}

func (w *world) scaler(min, max int) *Scaler {
	s := New(w, w, slog.New(slog.DiscardHandler), func() time.Time { return w.now })
	s.Apply(stages(min, max, w.concurrent))
	return s
}

func stages(min, max, concurrency int) *config.Config {
	return &config.Config{Stages: map[string]config.Stage{"resize": {Workers: config.Workers{
		Min: &min, Max: &max, Concurrency: concurrency,
		TargetWait: settings.Duration(10 * time.Second), ScaleInAfter: settings.Duration(30 * time.Second),
	}}}}
}

func newWorld(t *testing.T, seed uint64) *world {
	return &world{
		t: t, now: time.Unix(1_800_000_000, 0), random: rand.New(rand.NewPCG(seed, 7)), marks: map[string]string{},
		alive: map[int]time.Time{}, startup: 4 * time.Second, concurrent: 1,
	}
}

// turns is how often the direction changes within a minute of the change before.
func (w *world) turns() (n int) {
	for i := 1; i < len(w.changes); i++ {
		a, b := w.changes[i-1], w.changes[i]
		if (a.to > a.from) != (b.to > b.from) && b.at.Sub(a.at) < 25*time.Second {
			n++
		}
	}
	return n
}

func percentile(all []time.Duration, p float64) time.Duration {
	all = slices.SortedFunc(slices.Values(all), cmp.Compare)
	return all[int(float64(len(all)-1)*p)]
}

func TestLoadsOfAllKinds(t *testing.T) {
	around := func(mean time.Duration) func(*world) time.Duration {
		return func(w *world) time.Duration { return time.Duration((0.5 + w.random.Float64()) * float64(mean)) }
	}
	for _, c := range []struct {
		name       string
		rate       func(second int) float64 // arrivals
		seconds    int
		duration   func(*world) time.Duration
		concurrent int
		p90        time.Duration
		over       float64 // seconds of slots that are paid, per second of work
	}{
		{
			name: "a load that rises and falls", seconds: 1800, duration: around(2 * time.Second), p90: 10 * time.Second, over: 1.8, concurrent: 1,
			rate: func(s int) float64 { return 8 * float64(min(s, 1800-s)) / 900 },
		},
		{
			name: "a steady load", seconds: 1200, duration: around(3 * time.Second), p90: 10 * time.Second, over: 1.7, concurrent: 1,
			rate: func(int) float64 { return 4 },
		},
		{
			name: "spikes", seconds: 1800, duration: around(4 * time.Second), p90: 20 * time.Second, over: 8, concurrent: 1,
			rate: func(s int) float64 {
				if s%300 == 10 {
					return 60
				}
				return 0
			},
		},
		{
			name: "workers of four items at once", seconds: 1200, duration: around(3 * time.Second), p90: 10 * time.Second, over: 2, concurrent: 4,
			rate: func(int) float64 { return 8 },
		},
		{
			name: "items that are rare", seconds: 3600, duration: around(time.Second), p90: 10 * time.Second, over: 50, concurrent: 1,
			rate: func(s int) float64 {
				if s%120 == 0 {
					return 1
				}
				return 0
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.concurrent = c.concurrent
			w.duration = func() time.Duration { return c.duration(w) }
			s := w.scaler(0, 40)
			ctx := context.Background()
			begun := 0.0
			total := int64(0)
			for second := range c.seconds + 120 {
				n := 0
				if second < c.seconds {
					for begun += c.rate(second); begun >= 1; begun-- {
						n++
					}
				}
				total += int64(n)
				w.second(n)
				require.NoError(t, s.look(ctx))
			}
			over := w.paid * float64(c.concurrent) / w.worked
			t.Logf("%d items, p50 waited %s, p90 %s, the last %s; %.2f slots paid per slot used; %d changes, %d turns",
				total, percentile(w.waits, 0.5), percentile(w.waits, 0.9), percentile(w.waits, 1), over, len(w.changes), w.turns())
			assert.Equal(t, total, w.done, "all is done")
			assert.Zero(t, w.killed, "no item was interrupted")
			assert.Zero(t, w.replicas, "an idle stage has no worker")
			assert.LessOrEqual(t, percentile(w.waits, 0.9), c.p90)
			assert.LessOrEqual(t, over, c.over)
			assert.LessOrEqual(t, w.turns(), c.seconds/600, "it does not flap")
		})
	}
}

// TestNoItemIsInterruptedWhateverHappens lets the load be random, the engine fail and refuse, the server begin anew, and
// people set replicas by hand (upwards: nobody could be warned of the other).
func TestNoItemIsInterruptedWhateverHappens(t *testing.T) {
	for seed := range uint64(30) {
		w := newWorld(t, seed)
		w.concurrent = 1 + w.random.IntN(3)
		w.duration = func() time.Duration { return time.Duration(w.random.IntN(9000)) * time.Millisecond }
		s := w.scaler(0, 25)
		ctx := context.Background()
		rate, total := 0, int64(0)
		w.fails = func() error {
			switch w.random.IntN(8) {
			case 0:
				return errors.New("the engine is away")
			case 1, 2:
				return ErrBusy
			}
			return nil
		}
		const seconds = 1500
		for second := range seconds + 900 {
			if second%40 == 0 {
				rate = w.random.IntN(6) * w.random.IntN(2)
			}
			if second >= seconds {
				rate = 0
			}
			w.surprising = second < seconds
			if w.random.IntN(100) == 0 {
				s = w.scaler(0, 5+w.random.IntN(20))
			}
			if w.random.IntN(300) == 0 && second < seconds {
				w.set(w.replicas + w.random.IntN(10))
			}
			total += int64(rate)
			w.second(rate)
			_ = s.look(ctx)
		}
		assert.Zero(t, w.killed, "seed %d", seed)
		assert.Equal(t, total+w.surprises, w.done, "seed %d: all is done", seed)
		assert.LessOrEqual(t, w.replicas, 0, "seed %d", seed)
	}
}

func TestAFixedNumberLetsAllReceive(t *testing.T) {
	w := newWorld(t, 1)
	w.marks[MarkKey("resize")] = "1"
	w.set(4)
	s := w.scaler(4, 4)
	require.NoError(t, s.look(context.Background()))
	assert.Empty(t, w.marks[MarkKey("resize")])
	assert.Equal(t, 4, w.replicas)
}

func TestTheBoundsAreKeptAtOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, 1)
	s := w.scaler(2, 9)
	require.NoError(t, s.look(ctx))
	assert.Equal(t, 2, w.replicas)
	s.Apply(stages(5, 9, 1))
	require.NoError(t, s.look(ctx))
	assert.Equal(t, 5, w.replicas)
	w.working = []*job{{index: 3, ends: w.now.Add(time.Hour)}}
	s.Apply(stages(0, 2, 1))
	for range 20 {
		w.second(0)
		require.NoError(t, s.look(ctx))
	}
	assert.Equal(t, 4, w.replicas, "the worker that is busy stays")
	assert.Equal(t, "2", w.marks[MarkKey("resize")], "and gets nothing more")
	w.working = nil
	for range 3 {
		w.second(0)
		require.NoError(t, s.look(ctx))
	}
	assert.Equal(t, 2, w.replicas)
}

func TestAScaleInEndsWhenTheLoadRises(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, 1)
	s := w.scaler(0, 4)
	w.set(4)
	w.working = []*job{{index: 3, ends: w.now.Add(time.Hour)}}
	for range 60 {
		w.second(0)
		require.NoError(t, s.look(ctx))
	}
	require.Equal(t, "1", w.marks[MarkKey("resize")])
	require.Equal(t, 4, w.replicas, "the busy worker has the highest index")
	for range 3 { // they are for the workers that may receive, and none does
		w.waiting = append(w.waiting, w.now)
	}
	require.NoError(t, s.look(ctx))
	assert.Equal(t, "4", w.marks[MarkKey("resize")])
	assert.Equal(t, 4, w.replicas)
	assert.Empty(t, w.changes)
}
