package scale

import (
	"fmt"
	"math"
	"time"
)

// Load of a stage.
type Load struct {
	// Waiting items that could be received now, and those in flight.
	Waiting, InFlight int64
	// Oldest is the age of the item that waits longest.
	Oldest time.Duration
	// Duration is how long a worker is busy with an item, measured; 0 if none was done yet.
	Duration time.Duration
	// Arrivals of items per second, measured.
	Arrivals float64
	// Replicas that there are.
	Replicas int
}

// Bounds of a stage.
type Bounds struct {
	Min, Max    int
	Concurrency int
	TargetWait  time.Duration
	// ScaleInAfter is how long fewer must have been enough.
	ScaleInAfter time.Duration
}

// Wanted is how many replicas a load needs, and why.
//
// Within the target wait the replicas have to do what waits now, and meanwhile what arrives, or, where nothing arrives, the
// rest of what is in flight, which is half of it on average. While the items' duration is not known, a few replicas find it out, and twice as
// many when those are busy. Items that wait too long although all replicas are busy say that the duration is not what it
// was; then the number grows as well, at most to the double.
//
// There are never more slots than items, and as long as anything is to be done there is one replica.
func (l Load) Wanted(b Bounds) (n int, why string) {
	items := l.Waiting + l.InFlight
	if items == 0 {
		return clamp(0, b, "nothing is to be done")
	}
	all := ceil(float64(items), b.Concurrency)
	busy := l.InFlight > 0 && float64(l.InFlight) >= 0.9*float64(l.Replicas*b.Concurrency)
	if l.Duration == 0 {
		n = max(l.Replicas, unknownStart)
		if busy {
			n = 2 * n
		}
		why = fmt.Sprintf("%d items are to be done, and how long one takes is not known yet", items)
	} else {
		target := max(b.TargetWait, time.Second).Seconds()
		d := l.Duration.Seconds()
		slots := max(l.Arrivals*d, float64(l.InFlight)*d/(2*target)) + float64(l.Waiting)*d/target
		n = max(ceil(slots, b.Concurrency), 1)
		why = fmt.Sprintf("%d items wait and %d are in flight, %.3g arrive per second, one takes %s, they are to wait %s at most",
			l.Waiting, l.InFlight, l.Arrivals, round(l.Duration), b.TargetWait)
		if l.Waiting > 0 && l.Oldest > b.TargetWait && busy && n <= l.Replicas {
			late := l.Oldest.Seconds() / target
			n = max(n, l.Replicas+1, int(math.Ceil(float64(l.Replicas)*min(late, 2))))
			why = fmt.Sprintf("all replicas are busy and an item has waited %s, %s is the target", round(l.Oldest), b.TargetWait)
		}
	}
	return clamp(min(n, all), b, why)
}

// unknownStart is how many replicas a stage begins with that has never done an item.
const unknownStart = 4

func clamp(n int, b Bounds, why string) (int, string) {
	switch {
	case n > b.Max:
		return b.Max, why + fmt.Sprintf("; %d would be wanted, workers.max is %d", n, b.Max)
	case n < b.Min:
		return b.Min, why + fmt.Sprintf("; workers.min is %d", b.Min)
	}
	return n, why
}

func ceil(slots float64, concurrency int) int {
	// A hair above a whole number is that number: the measured values are no better.
	return int(math.Ceil(slots/float64(max(concurrency, 1)) - 1e-6))
}

func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
