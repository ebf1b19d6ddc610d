package replicas

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(1); d < 5*time.Minute; d += d/50 + 1 {
		b := bucketOf(d)
		assert.GreaterOrEqual(t, b, last, d)
		last = b
		if d >= 1<<minShift && d < 1<<maxShift {
			assert.LessOrEqual(t, lower(b), float64(d))
			assert.Greater(t, lower(b+1), float64(d))
			assert.LessOrEqual(t, lower(b+1)/lower(b), 1.126)
		}
	}
	assert.Equal(t, 0, bucketOf(-time.Second))
	assert.Equal(t, buckets-1, last)
}

func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for _, test := range []struct {
		name string
		one  func() float64 // ms
	}{
		{"even", func() float64 { return 1 + 9*random.Float64() }},
		{"exponential", func() float64 { return 3 * random.ExpFloat64() }},
		{"with a long tail", func() float64 { return math.Exp(2 * random.NormFloat64()) }},
		{"with two peaks", func() float64 {
			if random.IntN(100) < 2 {
				return 900 + 100*random.Float64()
			}
			return 4 + random.Float64()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &histogram{}
			var all []float64
			for i := range 20000 {
				d := max(test.one(), 0.01)
				all = append(all, d)
				h.observe(time.Duration(d*ms), time.Duration(i)*100*time.Microsecond) // 2 s
			}
			slices.Sort(all)
			for _, q := range []float64{0.01, 0.5, 0.9, 0.95, 0.97, 0.99, 0.999} {
				assert.InEpsilon(t, all[int(q*20000)], float64(quantileOf(h, q, 2*time.Second))/ms, 0.125, "p%v", q*100)
			}
		})
	}
}

func TestQuantilesAreOfTheLastSeconds(t *testing.T) {
	h := &histogram{}
	fill := func(n int, d, now time.Duration) {
		for range n {
			h.observe(d, now)
		}
	}
	near := func(want, now time.Duration) {
		t.Helper()
		assert.InDelta(t, float64(want), float64(quantileOf(h, 0.5, now)), float64(want)/8)
	}
	fill(1, 10*time.Millisecond, 0)
	near(0, time.Second)
	fill(1, 10*time.Millisecond, time.Second)
	near(0, time.Second+refresh-1) // it is kept for a moment
	near(10*time.Millisecond, time.Second+refresh)
	near(10*time.Millisecond, 9*time.Second)
	fill(200, 40*time.Millisecond, 9*time.Second)
	near(40*time.Millisecond, 10*time.Second)
	fill(50, 10*time.Millisecond, 14*time.Second)
	near(40*time.Millisecond, 14*time.Second)
	near(10*time.Millisecond, 20*time.Second) // those of 9 s are gone
	near(0, 30*time.Second)                   // and those of 14 s
	fill(50, 20*time.Millisecond, 24*time.Hour)
	near(20*time.Millisecond, 24*time.Hour)
}

func TestQuantilesThatNobodyAsksForAreLetGo(t *testing.T) {
	h := &histogram{}
	for i := range 100 {
		for range 100 {
			h.observe(time.Millisecond, 0)
		}
		assert.NotZero(t, quantileOf(h, float64(i)/100, 0), i)
	}
	assert.LessOrEqual(t, len(h.kept.Load().q), maxKept)
}

func TestHistogramOfManyWriters(t *testing.T) {
	h := &histogram{}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 50000 {
				h.observe(time.Millisecond, time.Duration(i)*time.Millisecond)
				if q := quantileOf(h, 0.95, time.Duration(i)*time.Millisecond); q != 0 && (q < 900*time.Microsecond || q > 1200*time.Microsecond) {
					t.Errorf("%v", q)
					return
				}
			}
		})
	}
	group.Wait()
}

func quantileOf(h *histogram, q float64, now time.Duration) time.Duration {
	value, _ := h.quantile(q, now)
	return value
}

func TestAQuantileIsSureWhenChanceDoesNotMoveIt(t *testing.T) {
	h := &histogram{}
	now := time.Duration(0)
	for range 200 {
		h.observe(time.Millisecond, now)
	}
	_, sure := h.quantile(0.95, now)
	assert.True(t, sure, "ten of two hundred are above")
	_, sure = h.quantile(0.99, now)
	assert.False(t, sure, "two are not enough")
}
