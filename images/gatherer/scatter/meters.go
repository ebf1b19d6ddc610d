package scatter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Meters are what a Scatterer counts, for Prometheus.
type Meters struct {
	seconds  *prometheus.HistogramVec
	attempt  *prometheus.CounterVec
	hedges   *prometheus.CounterVec
	missing  *prometheus.CounterVec
	answered *prometheus.CounterVec
	invalid  *prometheus.CounterVec
}

// childMeters are those of one child.
type childMeters struct {
	seconds                       prometheus.Observer
	kinds                         [4]prometheus.Counter
	won, missed, reached, invalid prometheus.Counter
}

// NewMeters registers them. Level is that of the node.
func NewMeters(r prometheus.Registerer, level string) *Meters {
	labels := prometheus.Labels{"level": level}
	counter := func(name, help string, by ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, by)
	}
	m := &Meters{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatherer_child_seconds", Help: "Time until a child has answered or was given up, with all attempts.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), ConstLabels: labels,
		}, []string{"child"}),
		attempt:  counter("gatherer_attempts_total", "Requests that were sent, by kind: first, retry, hedge.", "child", "kind"),
		hedges:   counter("gatherer_hedges_won_total", "Hedges that answered before the attempt that they were sent for.", "child"),
		answered: counter("gatherer_answered_total", "Requests to which a child has answered.", "child"),
		invalid:  counter("gatherer_invalid_total", "Answers of a child that were of no use: they could not be merged, or broke off.", "child"),
		missing:  counter("gatherer_missing_total", "Requests to which a child has not answered.", "child"),
	}
	r.MustRegister(m.seconds, m.attempt, m.hedges, m.missing, m.answered, m.invalid)
	return m
}

func (m *Meters) child(name string) childMeters {
	out := childMeters{
		seconds: m.seconds.WithLabelValues(name), won: m.hedges.WithLabelValues(name),
		missed: m.missing.WithLabelValues(name), reached: m.answered.WithLabelValues(name),
		invalid: m.invalid.WithLabelValues(name),
	}
	for _, k := range []kind{first, retry, hedge} {
		out.kinds[k] = m.attempt.WithLabelValues(name, k.String())
	}
	return out
}

func (m childMeters) attempts(k kind) { m.kinds[k].Inc() }

// observe a settled call.
func (m childMeters) observe(took time.Duration, by kind, failed bool) {
	m.seconds.Observe(took.Seconds())
	switch {
	case failed:
		m.missed.Inc()
		return
	case by == hedge:
		m.won.Inc()
	}
	m.reached.Inc()
}
