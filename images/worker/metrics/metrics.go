// Package metrics shows what the worker does, for Prometheus.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/worker/claims"
)

// Metrics count what happens; they are claims.Events.
type Metrics struct {
	items   *prometheus.CounterVec
	seconds prometheus.Histogram
	lost    prometheus.Counter
}

// New registers all metrics. Counts and up are asked at each scrape.
func New(registry prometheus.Registerer, counts func() (running, prefetched int), up func() bool) *Metrics {
	m := &Metrics{
		items:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "worker_items_total", Help: "Attempts that have ended, by what became of them."}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "worker_item_seconds", Help: "How long attempts took, the transfer of contents included.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 11)}),
		lost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "worker_lease_lost_total", Help: "Leases that were lost: what was done for them did not count."}),
	}
	for _, outcome := range []string{claims.Done, claims.Retry, claims.Permanent, claims.Released, claims.Lost} {
		m.items.WithLabelValues(outcome)
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	registry.MustRegister(m.items, m.seconds, m.lost,
		gauge("worker_running", "Items that are worked on.", func() float64 { running, _ := counts(); return float64(running) }),
		gauge("worker_prefetched", "Items that were received and not begun.", func() float64 { _, ahead := counts(); return float64(ahead) }),
		gauge("worker_queue_up", "1 if the last request to the queue was answered.", func() float64 {
			if up() {
				return 1
			}
			return 0
		}))
	return m
}

// Ended counts an attempt.
func (m *Metrics) Ended(outcome string, seconds float64) {
	m.items.WithLabelValues(outcome).Inc()
	m.seconds.Observe(seconds)
}

// LeaseLost counts a lease.
func (m *Metrics) LeaseLost() { m.lost.Inc() }
