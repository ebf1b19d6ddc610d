package replicas

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Latencies are counted in buckets of an eighth of a power of two, from 1 µs to 2 min, and in slices of time of which the oldest
// is emptied for the next. A quantile is interpolated within its bucket: it is at most an eighth off.
const (
	sliceCount = 5
	sliceTime  = 2500 * time.Millisecond
	subBits    = 3
	sub        = 1 << subBits
	minShift   = 10 // 2^10 ns
	maxShift   = 37
	buckets    = (maxShift - minShift) * sub
	// fewest observations above a quantile that say something of it, and those with which chance does not move it much.
	fewest = 1
	enough = 10
	// Quantiles are worked out at most so often.
	refresh = 100 * time.Millisecond
	// As many quantiles are kept as anybody asks for; those of settings that are no more are let go.
	maxKept = 8
)

// A histogram of the last 10 to 12.5 s. Observing takes no lock, and asking for a quantile that is known neither. Observations of
// the moment in which the slices change may be lost.
type histogram struct {
	counts  [sliceCount][buckets]atomic.Uint32
	current atomic.Int64 // slices since the beginning; its counts are at this modulo their number

	mu   sync.Mutex
	kept atomic.Pointer[estimates]
}

// estimates are all of the same time, and are not changed.
type estimates struct {
	when   time.Duration
	q      []float64
	values []time.Duration
	total  uint64
}

// sure tells whether a quantile rests on enough.
func (e *estimates) sure(q float64) bool { return e != nil && float64(e.total)*(1-q) >= enough }

func (e *estimates) of(q float64) (time.Duration, bool) {
	if e == nil {
		return 0, false
	}
	for i, known := range e.q {
		if known == q {
			return e.values[i], true
		}
	}
	return 0, false
}

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 1<<minShift))
	exponent := bits.Len64(n) - 1
	if exponent >= maxShift {
		return buckets - 1
	}
	return (exponent-minShift)*sub + int(n>>(exponent-subBits))&(sub-1) //nolint:gosec // masked
}

// lower bound of a bucket, in ns.
func lower(bucket int) float64 {
	return float64(uint64(sub+bucket%sub) << (bucket/sub + minShift - subBits)) //nolint:gosec // not negative
}

func (h *histogram) observe(d, now time.Duration) {
	slice := h.turn(now)
	h.counts[slice%sliceCount][bucketOf(d)].Add(1)
}

// turn to the slice of a time, and give its number.
func (h *histogram) turn(now time.Duration) int64 {
	slice := int64(now / sliceTime)
	for {
		current := h.current.Load()
		if slice <= current {
			return current
		}
		if !h.current.CompareAndSwap(current, slice) {
			continue
		}
		for i := max(current+1, slice-sliceCount+1); i <= slice; i++ {
			counts := &h.counts[i%sliceCount]
			for j := range counts {
				counts[j].Store(0)
			}
		}
		return slice
	}
}

// quantile of what was observed, 0 if that is too little; sure if it is enough.
func (h *histogram) quantile(q float64, now time.Duration) (value time.Duration, sure bool) {
	kept := h.kept.Load()
	value, known := kept.of(q)
	if known && now-kept.when < refresh {
		return value, kept.sure(q)
	}
	if known && !h.mu.TryLock() { // somebody is at it
		return value, kept.sure(q)
	}
	if !known {
		h.mu.Lock()
	}
	defer h.mu.Unlock()
	if kept = h.kept.Load(); kept != nil && now-kept.when < refresh {
		if value, known = kept.of(q); known {
			return value, kept.sure(q)
		}
	}
	next := &estimates{when: now, q: []float64{q}}
	if kept != nil {
		for _, other := range kept.q {
			if other != q && len(next.q) < maxKept {
				next.q = append(next.q, other)
			}
		}
	}
	h.turn(now)
	var sums [buckets]uint64
	total := h.sum(&sums)
	next.total = total
	for _, q := range next.q {
		next.values = append(next.values, interpolate(&sums, total, q))
	}
	h.kept.Store(next)
	return next.values[0], next.sure(q)
}

func (h *histogram) sum(sums *[buckets]uint64) (total uint64) {
	for s := range h.counts {
		for i := range sums {
			n := uint64(h.counts[s][i].Load())
			sums[i] += n
			total += n
		}
	}
	return total
}

func interpolate(sums *[buckets]uint64, total uint64, q float64) time.Duration {
	if float64(total)*(1-q) < fewest {
		return 0
	}
	rank := q * float64(total)
	below := 0.0
	last := 0
	for i, n := range sums {
		if n == 0 {
			continue
		}
		last = i
		if below+float64(n) >= rank {
			part := max(rank-below, 0) / float64(n)
			return time.Duration(lower(i) + part*(lower(i+1)-lower(i)))
		}
		below += float64(n)
	}
	return time.Duration(lower(last + 1))
}
