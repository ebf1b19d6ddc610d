package page

import (
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
)

// A child is slow if its 95th percentile is this many times the middle one of its siblings, and this much more in seconds: what
// is a matter of microseconds is nobody's concern.
const (
	slowFactor = 2.5
	slowLeast  = 0.003
	// fewestSiblings that have a middle worth the name.
	fewestSiblings = 3
)

// closed is how replicas.ReplicaStatus says that a replica is asked.
const closed = "closed"

// middle of the 95th percentiles of all children, 0 if there are too few.
func middle(all []scatter.Status) float64 {
	var known []float64
	for i := range all {
		if p := all[i].Replicas.P95; p > 0 {
			known = append(known, p)
		}
	}
	if len(known) < fewestSiblings {
		return 0
	}
	slices.Sort(known)
	return known[len(known)/2]
}

// stateOf a child whose counts of the last seconds are these.
func stateOf(s *scatter.Status, lately scatter.Totals, typical float64) State {
	usable, open := false, false
	for _, r := range s.Replicas.Replicas {
		if r.Breaker == closed {
			usable = true
		} else {
			open = true
		}
	}
	lost := lately.Missing + lately.Invalid
	switch {
	case !usable, lost > 0 && lately.Answered+lately.Partial <= lately.Invalid:
		return Missing
	case lost+lately.Partial > 0:
		return Flaky
	case open:
		return Open
	case typical > 0 && s.Replicas.P95 > slowFactor*typical && s.Replicas.P95 > typical+slowLeast:
		return Slow
	}
	return OK
}
