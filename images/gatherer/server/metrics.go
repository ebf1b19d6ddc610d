package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of a Server.
type Metrics struct {
	seconds                                                   prometheus.Histogram
	inFlight                                                  prometheus.Gauge
	requests                                                  *prometheus.CounterVec
	partial, insufficient, unmerged, refused, hits, coalesced prometheus.Counter
}

// NewMetrics registers them. Level is that of the node.
func NewMetrics(r prometheus.Registerer, level string) *Metrics {
	labels := prometheus.Labels{"level": level}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels})
		r.MustRegister(c)
		return c
	}
	m := &Metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gatherer_request_seconds", Help: "Time from a request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), ConstLabels: labels,
		}),
		inFlight:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "gatherer_requests_in_flight", Help: "Requests that are worked on.", ConstLabels: labels}),
		requests:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatherer_requests_total", Help: "Requests by the status of their answer; 499: the client had gone.", ConstLabels: labels}, []string{"status"}),
		partial:      counter("gatherer_partial_total", "Answers that lack shards."),
		insufficient: counter("gatherer_insufficient_total", "Requests to which too few shards have answered."),
		unmerged:     counter("gatherer_merge_failures_total", "Requests whose answers could not be merged."),
		refused:      counter("gatherer_refused_total", "Requests that were refused because too many were under way."),
		hits:         counter("gatherer_cache_hits_total", "Requests that were answered from the cache."),
		coalesced:    counter("gatherer_coalesced_total", "Requests that were answered with what was gathered for another."),
	}
	r.MustRegister(m.seconds, m.inFlight, m.requests)
	return m
}

func (m *Metrics) count(status int) { m.requests.WithLabelValues(strconv.Itoa(status)).Inc() }
