package scatter

import (
	"net/http"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/upstream"
)

const noContent = http.StatusNoContent

// maxHedges of one call: a hedge may be hedged, since the second replica may be slow as well.
const maxHedges = 2

// A call is one child's part of a gathering: attempts at its replicas, of which the first that succeeds settles it.
type call struct {
	g     *gathering
	child *Child
	// asked shards of this child.
	asked []int
	head  []byte
	begun time.Time

	mu      sync.Mutex
	running int // attempts that have not ended
	retries int
	hedges  int
	hedgeAt time.Time
	number  int // of attempts so far
	tried   []*replicas.Replica
	flights []*flight
	last    string // failure of the last attempt that failed

	settled bool
	// What follows is written once, when it is settled.
	took    time.Duration
	by      kind
	failed  string // why there is no answer; empty if there is one
	missing []contract.Missing
	answer  answer
}

// flight is an attempt under way.
type flight struct {
	upstream.Call
	replica *replicas.Replica
}

// answer of a child.
type answer struct {
	Status      int
	ContentType string
	// CacheControl is there where answers are cached.
	CacheControl string
	// Header is there where the merge wants it.
	Header http.Header
	Body   []byte
	buffer *upstream.Buffer
	// Stream is read by who has asked, where answers are streamed.
	Stream *upstream.Response
	flight *flight
}

func (a *answer) release() {
	if a.buffer != nil {
		a.buffer.Free()
		a.buffer, a.Body = nil, nil
	}
	if a.Stream != nil {
		a.Stream.Close()
		a.Stream = nil
	}
}

// settle the call, unless it is already, and cancel its other attempts.
func (c *call) settle(by kind, own *flight, set func()) bool {
	c.mu.Lock()
	if c.settled {
		c.mu.Unlock()
		return false
	}
	c.settled, c.by = true, by
	c.took = time.Since(c.begun)
	set()
	flights := c.flights
	c.flights = nil
	c.mu.Unlock()
	for _, f := range flights {
		if f != own {
			f.Cancel()
		}
	}
	if c.g.pending.Add(-1) == 0 {
		close(c.g.done)
	}
	return true
}

// giveUp the call, if it is not settled.
func (c *call) giveUp(reason string) {
	c.settle(none, nil, func() {
		if c.failed = reason; c.last != "" {
			c.failed = c.last
		}
	})
}

// hedge the call if it is slow, and say when to look again; zero if there is nothing left to do for it. In a crowd of calls that
// are late none is an outlier: each has to be later than that.
func (c *call) hedge(now time.Time, crowd bool) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled || c.hedges == maxHedges {
		return time.Time{}
	}
	if c.hedgeAt.IsZero() {
		c.hedgeAt = c.begun.Add(c.g.hedgeDelay(c.child))
	}
	if now.Before(c.hedgeAt) {
		return c.hedgeAt
	}
	delay := c.g.hedgeDelay(c.child)
	switch {
	case crowd && now.Sub(c.begun) < crowdDelays*delay:
		c.hedgeAt = now.Add(max(delay/4, time.Millisecond))
		return c.hedgeAt
	case !c.child.Set.Others(c.tried):
		c.hedgeAt = now.Add(delay)
		return c.hedgeAt // there may be another one later
	case !c.g.s.budget.spend():
		// Many are a little late, few are very late: who is still waiting a moment later has the better claim.
		c.hedgeAt = now.Add(max(delay/4, time.Millisecond))
		return c.hedgeAt
	}
	c.hedges++
	c.running++
	// Who has been passed over once is an outlier for sure: the hedge itself is not waited for as long.
	c.hedgeAt = now.Add(max(delay/2, minHedgeDelay))
	go c.attempt(hedge)
	return c.hedgeAt
}

// hedgeDelay is how old an attempt may become before another is sent.
func (g *gathering) hedgeDelay(child *Child) time.Duration {
	if g.rules.fixed > 0 {
		return g.rules.fixed
	}
	if d := child.Set.Quantile(g.rules.quantile); d > 0 {
		return max(d, minHedgeDelay)
	}
	return g.given / 4 // nothing is known yet
}

// crowdDelays are how many times the usual delay a call waits for its hedge when many are late.
const crowdDelays = 4

// minHedgeDelay keeps the noise of schedulers from being taken for slowness.
const minHedgeDelay = time.Millisecond
