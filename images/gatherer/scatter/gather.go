package scatter

import (
	"context"
	"sync/atomic"
	"time"
)

// A gathering is one request on its way to the children and back.
type gathering struct {
	s        *Scatterer
	r        *Request
	rules    *rules
	deadline time.Time // of the children
	given    time.Duration
	streamed bool // an answer counts from its head on, and is read by who has asked
	calls    []call
	pending  atomic.Int32
	done     chan struct{}
}

// begin sends the first attempts.
func (s *Scatterer) begin(r *Request, streamed bool) *gathering {
	g := &gathering{s: s, r: r, rules: s.rules.Load(), streamed: streamed, done: make(chan struct{})}
	now := time.Now()
	given := r.Deadline.Sub(now)
	g.given = given - g.reserve(given)
	g.deadline = now.Add(g.given)
	g.calls = make([]call, 0, len(s.children))
	for _, child := range s.children {
		asked := r.asks(child.Child.Shards)
		if len(asked) > 0 {
			g.calls = append(g.calls, call{g: g, child: child, asked: asked, begun: now})
		}
	}
	g.pending.Store(int32(len(g.calls)))
	if len(g.calls) == 0 {
		close(g.done)
		return g
	}
	if g.rules.hedging {
		s.budget.earn(len(g.calls))
	}
	head := r.head("", r.Host, s.shards)
	for i := range g.calls {
		c := &g.calls[i]
		c.head = head
		if c.child.host != "" {
			c.head = r.head(c.child.prefix, c.child.host, s.shards)
		}
		c.running = 1
		go c.attempt(first)
	}
	return g
}

// reserve is what this level keeps for itself of the time that it was given.
func (g *gathering) reserve(given time.Duration) time.Duration {
	if g.rules.reserve > 0 {
		return min(g.rules.reserve, given/2)
	}
	return min(max(given/20, 2*time.Millisecond), given/2)
}

// asks gives those of a child's shards that the request is for. It is the child's own slice where that is all.
func (r *Request) asks(shards []int) []int {
	if r.Asked == nil {
		return shards
	}
	var out []int
	for _, shard := range shards {
		if r.Asked[shard] {
			out = append(out, shard)
		}
	}
	return out
}

// wait until every child has answered or is given up. It hedges meanwhile.
func (g *gathering) wait(ctx context.Context) {
	next := g.deadline
	if g.rules.hedging {
		next = g.hedge(time.Now())
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-g.done:
			return
		case <-ctx.Done():
			g.giveUp("the client has gone")
			return
		case now := <-timer.C:
			if !now.Before(g.deadline) {
				g.giveUp(reasonTimeout)
				return
			}
			timer.Reset(time.Until(g.hedge(now)))
		}
	}
}

// giveUp what has not answered.
func (g *gathering) giveUp(reason string) {
	for i := range g.calls {
		g.calls[i].giveUp(reason)
	}
}

// hedge where the time has come, and say when to look again.
func (g *gathering) hedge(now time.Time) time.Time {
	next := g.deadline
	if !g.rules.hedging {
		return next
	}
	// When more calls are late than the budget is meant for, it is this machine or all of the others that are slow: hedges would
	// be wasted, and be missing for those that need them ("The Tail at Scale" hedges when all but the last answers are there).
	crowd := int(g.pending.Load()) > max(1, int(2*g.rules.budget*float64(len(g.calls))))
	for i := range g.calls {
		if at := g.calls[i].hedge(now, crowd); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// gathered sums up. All calls are settled.
func (g *gathering) gathered() *Gathered {
	out := &Gathered{Parts: make([]Part, 0, len(g.calls))}
	var refusals []Part
	for i := range g.calls {
		c := &g.calls[i]
		c.sum(&out.Coverage)
		part := Part{Child: c.child, Shards: without(c.asked, c.missing), answer: c.answer}
		switch {
		case c.failed == "" && c.answer.Status != noContent:
			out.Parts = append(out.Parts, part)
		case c.failed != "" && c.answer.Status/100 == 4:
			refusals = append(refusals, part)
		default:
			part.release()
		}
		c.child.meters.observe(c.took, c.by, c.failed != "")
		c.child.counts.settled(c)
	}
	for i := range refusals {
		if i == 0 && len(refusals) == len(g.calls) && agree(refusals) {
			out.Refusal = &refusals[0]
			continue
		}
		refusals[i].release()
	}
	out.Coverage.Complete = len(out.Coverage.Missing) == 0
	sortMissing(out.Coverage.Missing)
	return out
}

// agree tells whether all refuse with one status.
func agree(refusals []Part) bool {
	for i := range refusals {
		if refusals[i].Status != refusals[0].Status {
			return false
		}
	}
	return true
}
