package page

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
)

func child(p95 float64, breakers ...string) scatter.Status {
	s := scatter.Status{Replicas: replicas.Status{P95: p95}}
	for _, b := range breakers {
		s.Replicas.Replicas = append(s.Replicas.Replicas, replicas.ReplicaStatus{Breaker: b})
	}
	return s
}

func TestStateOf(t *testing.T) {
	answers := scatter.Totals{Answered: 10}
	for _, c := range []struct {
		name    string
		child   scatter.Status
		lately  scatter.Totals
		typical float64
		want    State
	}{
		{"one that answers is well", child(0.01, "closed"), answers, 0.01, OK},
		{"one that nobody asks is well", child(0, "closed"), scatter.Totals{}, 0, OK},
		{"one without replicas is missing", child(0.01), scatter.Totals{}, 0.01, Missing},
		{"one whose replicas all fail is missing, whatever it has answered", child(0.01, "open", "half_open"), answers, 0.01, Missing},
		{"one that answers nothing is missing", child(0.01, "closed"), scatter.Totals{Missing: 1}, 0.01, Missing},
		{"one that answers sometimes is flaky", child(0.01, "closed"), scatter.Totals{Answered: 1, Missing: 9}, 0.01, Flaky},
		{"one that answers in part is flaky", child(0.01, "closed", "open"), scatter.Totals{Partial: 10}, 0.01, Flaky},
		{"one of whose answers none could be merged is missing", child(0.01, "closed"), scatter.Totals{Answered: 9, Partial: 1, Invalid: 10}, 0.01, Missing},
		{"one of whose answers some could not is flaky", child(0.01, "closed"), scatter.Totals{Answered: 10, Invalid: 1}, 0.01, Flaky},
		{"one with a replica that fails says so, even if it is slow", child(1, "closed", "open"), answers, 0.01, Open},
		{"a replica that is tried is not well yet", child(0.01, "closed", "half_open"), answers, 0.01, Open},
		{"one that takes much longer is slow", child(0.026, "closed"), answers, 0.01, Slow},
		{"one that takes a little longer is not", child(0.024, "closed"), answers, 0.01, OK},
		{"what is a matter of microseconds is not", child(0.003, "closed"), answers, 0.0005, OK},
		{"without siblings there is nothing to compare with", child(5, "closed"), answers, 0, OK},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, stateOf(&c.child, c.lately, c.typical)) })
	}
}

func TestMiddle(t *testing.T) {
	assert.Zero(t, middle([]scatter.Status{child(1), child(2), child(0)}), "too few are known")
	assert.InDelta(t, 2, middle([]scatter.Status{child(9), child(1), child(0), child(2)}), 0)
}

func TestMemory(t *testing.T) {
	begun := time.Now().Add(-time.Minute)
	m := memory[int]{size: 3}
	for i := range 5 {
		m.add(begun.Add(time.Duration(i)*time.Second), i)
		assert.Equal(t, i, m.ago(1).totals, "the newest")
	}
	assert.Equal(t, []int{3, 2, 2}, []int{m.ago(2).totals, m.ago(3).totals, m.ago(60).totals}, "those that were forgotten count as the oldest")
	assert.InDelta(t, 58, m.ago(60).since(), 0.5)
	m.add(time.Now(), 5)
	assert.InDelta(t, 1, m.ago(1).since(), 0.01, "a moment is no time for a rate")
}
