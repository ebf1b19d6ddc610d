package server

import (
	"sync"
	"time"
)

// flight is when items were handed over by this server, for the time that they take.
type flight struct {
	mu    sync.Mutex
	since map[int64]time.Time
}

// What is no longer known to be in flight is forgotten from this number on.
const maxFlight = 100000

func (f *flight) begin(id int64, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since == nil || len(f.since) >= maxFlight {
		f.since = map[int64]time.Time{}
	}
	f.since[id] = now
}

// end tells how long it took, if that is known.
func (f *flight) end(id int64, now time.Time) (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	since, ok := f.since[id]
	delete(f.since, id)
	return now.Sub(since), ok
}

// crew is when workers were heard of.
type crew struct {
	mu  sync.Mutex
	all map[string]map[string]time.Time
}

// crewTime is how long a worker counts after it was heard of: longer than a long poll.
const crewTime = time.Minute

func (c *crew) heard(stage, worker string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]map[string]time.Time{}
	}
	if c.all[stage] == nil {
		c.all[stage] = map[string]time.Time{}
	}
	c.all[stage][worker] = time.Now()
}

// count those of a stage.
func (c *crew) count(stage string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for worker, at := range c.all[stage] {
		if time.Since(at) > crewTime {
			delete(c.all[stage], worker)
		}
	}
	return len(c.all[stage])
}
