package scatter

import (
	"sync/atomic"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"
)

// Totals of a child, each since the start.
type Totals struct {
	// First attempts, retries after failures, and hedges that were sent; of the hedges, how many were quicker.
	First   uint64 `json:"first"`
	Retries uint64 `json:"retries"`
	Hedges  uint64 `json:"hedges"`
	Won     uint64 `json:"hedges_won"`
	// Answered are requests to which all shards of the child that were asked have answered, partial those to which some have,
	// missing those to which none has.
	Answered uint64 `json:"answered"`
	Partial  uint64 `json:"partial"`
	Missing  uint64 `json:"missing"`
	// Invalid answers were of no use: they could not be merged, or broke off. They are among those answered or partial, too.
	Invalid uint64 `json:"invalid"`
}

// Status of a child.
type Status struct {
	Totals
	// Reason of the last request that it has not answered; empty if there was none.
	Reason string
	// Replicas, and their latencies together.
	Replicas replicas.Status
}

// Status as it is now.
func (c *Child) Status() Status {
	out := Status{Totals: c.Totals(), Replicas: c.Set.Status()}
	if reason := c.counts.reason.Load(); reason != nil {
		out.Reason = *reason
	}
	return out
}

// Totals as they are now.
func (c *Child) Totals() Totals {
	n := &c.counts
	return Totals{
		First: n.attempts[first].Load(), Retries: n.attempts[retry].Load(), Hedges: n.attempts[hedge].Load(), Won: n.won.Load(),
		Answered: n.answered.Load(), Partial: n.partial.Load(), Missing: n.missing.Load(), Invalid: n.invalid.Load(),
	}
}

// counts are Status's. Prometheus has its own, which are dear to ask.
type counts struct {
	attempts                                 [4]atomic.Uint64
	won, answered, partial, missing, invalid atomic.Uint64
	reason                                   atomic.Pointer[string]
}

// Invalid notes that an answer of a child turned out to be of no use.
func (s *Scatterer) Invalid(child, reason string) {
	for _, c := range s.children {
		if c.Name == child {
			c.counts.invalid.Add(1)
			c.meters.invalid.Inc()
			c.counts.reason.Store(&reason)
			return
		}
	}
}

// settled notes a call that is.
func (n *counts) settled(c *call) {
	switch {
	case c.failed != "":
		n.missing.Add(1)
		reason := c.failed // not the call, which should not live as long
		n.reason.Store(&reason)
		return
	case len(c.missing) > 0:
		n.partial.Add(1)
	default:
		n.answered.Add(1)
	}
	if c.by == hedge {
		n.won.Add(1)
	}
}
