package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/metrics"
)

// meters are the metrics of stages, found once: finding them costs more than counting.
type meters struct {
	all    *metrics.Metrics
	stages sync.Map // of *meter by stage
}

type meter struct {
	received prometheus.Counter
	wait     prometheus.Observer
	work     prometheus.Observer
	outcomes map[string]prometheus.Counter
}

// Outcomes of an attempt.
const (
	outcomeDone     = "done"
	outcomeRetried  = "retried"
	outcomeDead     = "dead"
	outcomeReleased = "released"
)

func (m *meters) of(stage string) *meter {
	if found, ok := m.stages.Load(stage); ok {
		return found.(*meter)
	}
	one := &meter{
		received: m.all.Received.WithLabelValues(stage), wait: m.all.Wait.WithLabelValues(stage), work: m.all.Work.WithLabelValues(stage),
		outcomes: map[string]prometheus.Counter{},
	}
	for _, outcome := range []string{outcomeDone, outcomeRetried, outcomeDead, outcomeReleased} {
		one.outcomes[outcome] = m.all.Attempts.WithLabelValues(stage, outcome)
	}
	found, _ := m.stages.LoadOrStore(stage, one)
	return found.(*meter)
}
