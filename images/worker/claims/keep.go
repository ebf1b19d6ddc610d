package claims

import (
	"context"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// keepBatch is how many leases one request extends.
const keepBatch = 1000

// keep extends all leases, by one request each third of their visibility, and gives back what has waited here for long.
func (c *Claims) keep(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		if len(c.ahead) > 0 {
			c.releaseAhead(staleAfter)
		}
		due := c.due(time.Now())
		c.mu.Unlock()
		for len(due) > 0 {
			n := min(len(due), keepBatch)
			c.extend(ctx, due[:n])
			due = due[n:]
		}
	}
}

// due gives all leases as soon as one of them is: so they stay together. The caller holds the lock.
func (c *Claims) due(now time.Time) (leases []string) {
	due := false
	for _, h := range c.held {
		due = due || now.Sub(h.extended) >= time.Duration(h.VisibleForMillis)*time.Millisecond/3
	}
	if !due {
		return nil
	}
	for id := range c.held {
		leases = append(leases, id)
	}
	return leases
}

func (c *Claims) extend(ctx context.Context, leases []string) {
	began := time.Now()
	results, err := c.queue.Extend(ctx, leases)
	if err != nil {
		// What runs goes on: as long as nobody else has received it, an expired lease is still good.
		if ctx.Err() == nil {
			c.Log.Warn("leases cannot be extended", "leases", len(leases), "error", err.Error())
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, id := range leases {
		h := c.held[id]
		switch {
		case h == nil:
		case results[i] == nil:
			h.extended = began
		case results[i].Code == "lease_lost":
			c.lose(h)
		}
	}
}

// lose ends what is done for a lease that is no more: its effect cannot count. The caller holds the lock.
func (c *Claims) lose(h *held) {
	if h.lost {
		return
	}
	for i, other := range c.ahead {
		if other == h {
			c.ahead = append(c.ahead[:i], c.ahead[i+1:]...)
			c.bytes -= int64(len(h.Data))
			delete(c.held, h.Lease.Lease)
			c.Events.LeaseLost()
			return
		}
	}
	if h.cancel == nil || h.ended {
		return // the answer to what is told of it will say so
	}
	h.lost = true
	h.cancel(ErrLeaseLost)
	c.Events.LeaseLost()
	c.Log.Warn("lease lost, the attempt is ended", "item", h.Name, "attempt", h.Attempt)
}

func ended(h *held, r Result, worker string) end {
	e := end{held: h, outcome: r.Outcome}
	if r.Outcome == Done {
		e.ack = &api.Ack{Lease: h.Lease.Lease, Outputs: r.Outputs}
		for _, o := range r.Outputs {
			e.size += len(o.Data) + len(o.Name) + len(o.Payload)
		}
		return e
	}
	r.Failure.Worker = worker
	e.nack = &api.Nack{
		Lease: h.Lease.Lease, Release: r.Outcome == Released, Permanent: r.Outcome == Permanent, Failure: r.Failure,
	}
	if r.Delay > 0 && !e.nack.Release && !e.nack.Permanent {
		e.nack.Delay = r.Delay.String()
	}
	e.size = len(r.Failure.ErrorTail)
	return e
}
