package replicas

import "time"

// A Window keeps latencies as a Set does: those of the last 10 to 12.5 s. It is safe for concurrent use.
type Window struct {
	start     time.Time
	latencies histogram
}

// NewWindow without latencies.
func NewWindow() *Window { return &Window{start: time.Now()} }

// Observe a latency.
func (w *Window) Observe(d time.Duration) { w.latencies.observe(d, time.Since(w.start)) }

// Quantile (0 to 1), as Set.Quantile gives it; 0 if there are too few latencies to tell.
func (w *Window) Quantile(q float64) time.Duration {
	value, _ := w.latencies.quantile(q, time.Since(w.start))
	return value
}
