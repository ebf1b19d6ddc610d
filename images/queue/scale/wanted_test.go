package scale

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWanted(t *testing.T) {
	usual := Bounds{Min: 0, Max: 20, Concurrency: 1, TargetWait: 10 * time.Second}
	with := func(change func(*Bounds)) Bounds { b := usual; change(&b); return b }
	for _, c := range []struct {
		name   string
		load   Load
		bounds Bounds
		want   int
	}{
		{name: "nothing to do needs nobody", bounds: usual, want: 0},
		{name: "nothing to do needs the minimum", bounds: with(func(b *Bounds) { b.Min = 2 }), want: 2},
		{name: "one item needs one", load: Load{Waiting: 1}, bounds: usual, want: 1},
		{name: "one item in flight keeps one", load: Load{InFlight: 1, Replicas: 5, Duration: time.Hour}, bounds: usual, want: 1},
		{name: "of items that nobody knows a few are tried", load: Load{Waiting: 1000}, bounds: usual, want: 4},
		{name: "and no more while these have not begun", load: Load{Waiting: 1000, Replicas: 4}, bounds: usual, want: 4},
		{name: "and twice as many when these are busy", load: Load{Waiting: 1000, InFlight: 4, Replicas: 4}, bounds: usual, want: 8},
		{
			name: "many short items need few", bounds: usual, want: 1,
			load: Load{Waiting: 1000, Duration: 5 * time.Millisecond},
		},
		{
			name: "the backlog is to be done within the target", bounds: usual, want: 10,
			load: Load{Waiting: 100, Duration: time.Second},
		},
		{
			name: "what arrives needs its share as well", bounds: usual, want: 15,
			load: Load{Waiting: 100, Duration: time.Second, Arrivals: 5},
		},
		{
			name: "a replica that works on several items counts for several", want: 3, load: Load{Waiting: 100, Duration: time.Second},
			bounds: with(func(b *Bounds) { b.Concurrency = 4 }),
		},
		{
			name: "there are never more slots than items", bounds: usual, want: 3,
			load: Load{Waiting: 3, Duration: time.Hour},
		},
		{
			name: "the maximum holds", bounds: usual, want: 20,
			load: Load{Waiting: 100_000, Duration: time.Minute},
		},
		{
			name: "items that wait too long although all are busy bring more", bounds: usual, want: 6,
			load: Load{Waiting: 30, InFlight: 4, Replicas: 4, Duration: 500 * time.Millisecond, Oldest: 15 * time.Second},
		},
		{
			name: "at most twice as many", bounds: usual, want: 8,
			load: Load{Waiting: 30, InFlight: 4, Replicas: 4, Duration: 500 * time.Millisecond, Oldest: time.Hour},
		},
		{
			name: "items that wait too long for workers that are still starting bring no more", bounds: usual, want: 4,
			load: Load{Waiting: 30, InFlight: 0, Replicas: 4, Duration: 1300 * time.Millisecond, Oldest: time.Hour},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, why := c.load.Wanted(c.bounds)
			assert.Equal(t, c.want, got, why)
			assert.NotEmpty(t, why)
		})
	}
}

func TestTheWindowKnowsTheHighestOfItsTime(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	var w window
	for _, c := range []struct {
		at     int
		n      int
		enough int
		sure   bool
	}{
		{0, 3, 3, false}, {10, 1, 3, false}, {20, 2, 3, false}, {29, 0, 3, false}, {30, 0, 3, true}, {31, 0, 2, true},
		{51, 0, 0, true}, {52, 7, 7, true}, {60, 1, 7, true}, {83, 0, 1, true}, {91, 0, 0, true},
	} {
		enough, sure := w.add(begin.Add(time.Duration(c.at)*time.Second), c.n, 30*time.Second)
		assert.Equal(t, c.enough, enough, "at %d", c.at)
		assert.Equal(t, c.sure, sure, "at %d", c.at)
	}
	_, sure := w.add(begin.Add(-time.Hour), 0, 30*time.Second)
	assert.False(t, sure, "a clock that went back begins a new window")
}

func TestTheDurationIsMeasuredByCounters(t *testing.T) {
	for _, c := range []struct {
		name     string
		inFlight int64
		per      float64 // items that end per second
		want     time.Duration
	}{
		{"ten workers that end ten items a second take a second each", 10, 10, time.Second},
		{"one worker that ends a hundred takes ten milliseconds", 1, 100, 10 * time.Millisecond},
		{"four workers that end one in ten seconds take forty", 4, 0.1, 40 * time.Second},
		{"thirty workers with items of ten minutes", 30, 0.05, 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m measure
			now := time.Unix(1_800_000_000, 0)
			for s := range 3600 {
				ended := int64(float64(s) * c.per)
				m.add(now.Add(time.Duration(s)*time.Second), ended, ended+c.inFlight, c.inFlight)
			}
			assert.InEpsilon(t, c.want.Seconds(), m.duration().Seconds(), 0.15)
			assert.InDelta(t, c.per, m.arrived, 0.35*c.per+0.1)
		})
	}
}

func TestNothingIsMeasuredBeforeAnItemHasEnded(t *testing.T) {
	var m measure
	for s := range int64(60) {
		m.add(time.Unix(s, 0), 0, 5, 5)
	}
	assert.Zero(t, m.duration())
	m.add(time.Unix(61, 0), 5, 5, 0)
	assert.InDelta(t, 60, m.duration().Seconds(), 15)
}
