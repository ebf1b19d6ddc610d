package scale

import (
	"encoding/json"
	"math"
	"time"
)

// A measurement loses its weight as others follow it: after some items and after some time, whatever is later. So a few
// long items count for as long as it takes, and many short ones are averaged over more than a moment.
const (
	rememberItems = 20
	rememberTime  = 30 * time.Second
	// arrivalsOver is the time over which arrivals are averaged.
	arrivalsOver = 10 * time.Second
)

// measure finds how long items take and how often they come from counters alone, whatever workers do them: the time that
// items were in flight, summed up, divided by the number that ended (Little's law). Retries count for the item that they
// are of, as they cost what they cost.
type measure struct {
	last     time.Time
	ended    int64
	came     int64
	inFlight int64
	begun    bool

	// Busy seconds of items, and items that ended, with their weights.
	Busy float64 `json:"busy"`
	Done float64 `json:"done"`

	arrived float64 // per second
}

// add a look at the counters: those that ended and those that came, ever, only grow.
func (m *measure) add(now time.Time, ended, came, inFlight int64) {
	step := now.Sub(m.last).Seconds()
	before, cameBefore, flewBefore, begun := m.ended, m.came, m.inFlight, m.begun
	m.last, m.ended, m.came, m.inFlight, m.begun = now, ended, came, inFlight, true
	if !begun || step <= 0 || ended < before {
		return
	}
	done := float64(ended - before)
	keep := math.Exp(-min(done/rememberItems, step/rememberTime.Seconds()))
	m.Busy = m.Busy*keep + float64(inFlight+flewBefore)/2*step
	m.Done = m.Done*keep + done
	keep = math.Exp(-step / arrivalsOver.Seconds())
	m.arrived = m.arrived*keep + float64(max(came-cameBefore, 0))/step*(1-keep)
}

// duration of an item; 0 if it is not known.
func (m *measure) duration() time.Duration {
	if m.Done < 0.5 {
		return 0
	}
	return max(time.Duration(m.Busy/m.Done*float64(time.Second)), time.Microsecond)
}

func (m *measure) text() string {
	if m.Done < 0.5 {
		return ""
	}
	text, _ := json.Marshal(m) // two numbers
	return string(text)
}
