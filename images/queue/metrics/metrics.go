// Package metrics is what a queue server counts, for Prometheus.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Metrics of a server.
type Metrics struct {
	// Received items by stage.
	Received *prometheus.CounterVec
	// Attempts by stage and outcome: done, retried, dead, released.
	Attempts *prometheus.CounterVec
	// Wait of an item until it is first received, and Work until its end, in seconds by stage.
	Wait, Work *prometheus.HistogramVec
	// Enqueue and Commit are how long those requests take, in seconds.
	Enqueue, Commit prometheus.Histogram
}

// New registers the metrics. Depths are asked of the store when they are read, with the time of the store.
func New(r prometheus.Registerer, s store.Store, now func() time.Time) *Metrics {
	work := prometheus.ExponentialBuckets(0.001, 4, 11) // 1 ms to 17 min
	fast := prometheus.ExponentialBuckets(0.0005, 2, 14)
	m := &Metrics{
		Received: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "queue_received_total", Help: "Items handed to workers."}, []string{"stage"}),
		Attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "queue_attempts_total", Help: "Attempts that ended, by outcome: done, retried, dead, released."}, []string{"stage", "outcome"}),
		Wait:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "queue_wait_seconds", Help: "From an item's enqueue until it is first received.", Buckets: work}, []string{"stage"}),
		Work:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "queue_work_seconds", Help: "From an item's receipt to the end of the attempt.", Buckets: work}, []string{"stage"}),
		Enqueue:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "queue_enqueue_seconds", Help: "Time of a request that enqueues.", Buckets: fast}),
		Commit:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "queue_commit_seconds", Help: "Time of a request that acknowledges.", Buckets: fast}),
	}
	r.MustRegister(m.Received, m.Attempts, m.Wait, m.Work, m.Enqueue, m.Commit, &depths{store: s, now: now})
	return m
}

var (
	items = prometheus.NewDesc("queue_items", "Items by stage and state.", []string{"stage", "state"}, nil)
	old   = prometheus.NewDesc("queue_oldest_seconds", "Age of the item that waits longest.", []string{"stage"}, nil)
	done  = prometheus.NewDesc("queue_done_total", "Items that were done.", []string{"stage"}, nil)
	dead  = prometheus.NewDesc("queue_dead_total", "Items that became dead letters.", []string{"stage"}, nil)
	out   = prometheus.NewDesc("queue_outputs", "Outputs of the pipeline, by whether they are in the sink.", []string{"exported"}, nil)
)

// depths reads the store's counters.
type depths struct {
	store store.Store
	now   func() time.Time
}

func (d *depths) Describe(c chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{items, old, done, dead, out} {
		c <- one
	}
}

func (d *depths) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	stats, err := d.store.Stats(ctx)
	if err != nil {
		c <- prometheus.NewInvalidMetric(items, err)
		return
	}
	for stage, s := range stats.Stages {
		for state, n := range s.Counts {
			c <- prometheus.MustNewConstMetric(items, prometheus.GaugeValue, float64(n), stage, string(state))
		}
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(0, d.now().Sub(s.Oldest).Seconds())
		}
		c <- prometheus.MustNewConstMetric(old, prometheus.GaugeValue, age, stage)
		c <- prometheus.MustNewConstMetric(done, prometheus.CounterValue, float64(s.DoneTotal), stage)
		c <- prometheus.MustNewConstMetric(dead, prometheus.CounterValue, float64(s.DeadTotal), stage)
	}
	c <- prometheus.MustNewConstMetric(out, prometheus.GaugeValue, float64(stats.Exported), "true")
	c <- prometheus.MustNewConstMetric(out, prometheus.GaugeValue, float64(stats.Results-stats.Exported), "false")
}
