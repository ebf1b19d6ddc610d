package replicas

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// decay is the time in which what was observed loses all but 1/e of its weight; Finagle's default too.
	decay = 10 * time.Second
	// tick is the unit of an average's time stamp. What is observed within one tick counts once.
	tick = 100 * time.Microsecond
	// backwards is by how many ticks a stamp may be ahead of a caller that has looked at the clock a little earlier.
	backwards = 1 << 16
)

// average of latencies, weighted by time: an exponentially weighted moving average for observations that do not come at even
// intervals. Its value and its time stamp share a word, so that observing and reading need no lock. The zero value is unknown.
//
// Stamps come around after five days. A replica that was idle for so long looks as it did when it was last asked, and sinks
// again from there.
type average struct{ word atomic.Uint64 }

func pack(value float64, now time.Duration) uint64 {
	return uint64(math.Float32bits(float32(max(value, 1))))<<32 | uint64(uint32(now/tick)) //nolint:gosec // comes around, see average
}

func unpack(word uint64, now time.Duration) (value float64, age time.Duration) {
	ticks := uint32(now/tick) - uint32(word) //nolint:gosec // comes around, see average
	if ticks > math.MaxUint32-backwards {
		ticks = 0
	}
	return float64(math.Float32frombits(uint32(word >> 32))), time.Duration(ticks) * tick
}

// blend a latency (ns) into the average.
func (a *average) blend(latency float64, now time.Duration) { a.observe(latency, now, false) }

// peak lets a latency (ns) that is above the average become the average at once; others are blended into it. This is Peak EWMA
// (Twitter's Finagle, com.twitter.finagle.loadbalancer.PeakEwma): quick to see that something is slow, careful to forget it.
func (a *average) peak(latency float64, now time.Duration) { a.observe(latency, now, true) }

func (a *average) observe(latency float64, now time.Duration, peak bool) {
	for {
		was := a.word.Load()
		if was == 0 || peak && latency >= valueOf(was) {
			if a.word.CompareAndSwap(was, pack(latency, now)) {
				return
			}
			continue
		}
		value, age := unpack(was, now)
		if age == 0 {
			return
		}
		kept := math.Exp(-float64(age) / float64(decay))
		if a.word.CompareAndSwap(was, pack(value*kept+latency*(1-kept), now)) {
			return
		}
	}
}

func valueOf(word uint64) float64 { return float64(math.Float32frombits(uint32(word >> 32))) }

// value in ns as it was when it was last observed; 0 if it never was.
func (a *average) value() float64 { return valueOf(a.word.Load()) }

// at a time, in ns; 0 if nothing was ever observed. A value above the floor sinks towards it while nothing is observed, so that
// who was slow is asked again some day; not below, else many would be sent there at once before the first of them has answered.
func (a *average) at(now time.Duration, floor float64) float64 {
	word := a.word.Load()
	if word == 0 {
		return 0
	}
	value, age := unpack(word, now)
	if value <= floor || age == 0 {
		return value
	}
	return floor + (value-floor)*math.Exp(-float64(age)/float64(decay))
}
