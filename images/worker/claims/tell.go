package claims

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/remote"
)

// The bounds of one request.
const (
	tellBatch = 100
	tellBytes = 4 << 20
	// gather is how long an end waits for others while there is work at hand that will make some.
	gather = 5 * time.Millisecond
)

// end is what the queue is to be told of an item: ack or nack.
type end struct {
	held    *held
	outcome string
	ack     *api.Ack
	nack    *api.Nack
	size    int
	tried   bool // a request with it may have had its effect
	alone   bool // the batch that it was in was refused
}

// tellLater queues an end. The caller holds the lock.
func (c *Claims) tellLater(e end) {
	c.unsent = append(c.unsent, e)
	c.size += e.size
	poke(c.send)
}

// tell sends what has ended: alone when the worker is idle, and together with all that has ended meanwhile when a request is
// on its way. It goes on until each is known to be told.
func (c *Claims) tell(ctx context.Context) {
	pause := backoff{}
	for {
		c.mu.Lock()
		busy := c.running+len(c.ahead) > 0 && len(c.unsent) > 0 && len(c.unsent) < tellBatch && !c.stopped
		c.mu.Unlock()
		if busy {
			select {
			case <-time.After(gather):
			case <-ctx.Done():
			}
		}
		c.mu.Lock()
		batch := c.batch()
		c.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-c.send:
				continue
			case <-ctx.Done():
				return
			}
		}
		again, err := c.sendBatch(ctx, batch)
		c.mu.Lock()
		c.sending = 0
		for _, e := range again {
			c.size += e.size
		}
		c.unsent = append(again, c.unsent...)
		c.changed.Broadcast()
		c.mu.Unlock()
		poke(c.wake)
		if err == nil {
			pause = backoff{}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		wait := pause.next()
		c.Log.Warn("the queue cannot be told what became of items; it will be", "items", len(again), "error", err.Error(), "again_in", wait.String())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// batch takes what one request carries: acks or nacks, whichever is first. The caller holds the lock.
func (c *Claims) batch() (batch []end) {
	if len(c.unsent) == 0 {
		return nil
	}
	acks, size := c.unsent[0].ack != nil, 0
	c.unsent = slices.DeleteFunc(c.unsent, func(e end) bool {
		if (e.ack != nil) != acks || len(batch) == tellBatch || (len(batch) > 0 && (size+e.size > tellBytes || e.alone || batch[0].alone)) {
			return false
		}
		batch = append(batch, e)
		size += e.size
		return true
	})
	c.size -= size
	c.sending = len(batch)
	return batch
}

// sendBatch gives back what must be sent again. The error says why the next request should wait a little.
func (c *Claims) sendBatch(ctx context.Context, batch []end) (again []end, err error) {
	var results []*api.Error
	if batch[0].ack != nil {
		acks := make([]api.Ack, len(batch))
		for i, e := range batch {
			acks[i] = *e.ack
		}
		results, err = c.queue.Ack(ctx, acks)
	} else {
		nacks := make([]api.Nack, len(batch))
		for i, e := range batch {
			nacks[i] = *e.nack
		}
		results, err = c.queue.Nack(ctx, nacks)
	}
	switch {
	case err != nil && remote.Refused(err) && len(batch) > 1: // one of them; which one is found by sending each alone
		for i := range batch {
			batch[i].alone = true
		}
		return batch, nil
	case err != nil && remote.Refused(err):
		results = []*api.Error{{Code: "invalid", Message: err.Error()}}
	case err != nil:
		for i := range batch {
			batch[i].tried = true
		}
		return batch, err
	}
	for i, e := range batch {
		next, failed := c.told(e, results[i])
		if next != nil {
			again = append(again, *next)
		}
		if failed != nil {
			err = failed
		}
	}
	return again, err
}

// told deals with the answer for one item.
func (c *Claims) told(e end, answer *api.Error) (again *end, err error) {
	if answer != nil {
		switch answer.Code {
		case "lease_lost":
			if e.tried { // what an earlier request did that was not answered ends the lease, too
				c.Log.Info("the queue no longer knows the lease: it was told before, or another worker has the item", "item", e.held.Name, "outcome", e.outcome)
			} else {
				c.Events.LeaseLost()
				c.Log.Warn("lease lost, what the attempt did does not count", "item", e.held.Name, "attempt", e.held.Attempt, "outcome", e.outcome)
			}
		case "no_space", "unavailable", "internal", "too_many_requests":
			return &e, fmt.Errorf("item %s: %w", e.held.Name, answer)
		default:
			c.Log.Error("the queue refuses what became of an item", "item", e.held.Name, "outcome", e.outcome, "error", answer.Message)
			if e.ack != nil { // outputs that it will not take: a person must look at the item
				refused := ended(e.held, Result{Outcome: Permanent, Failure: api.Failure{Reason: "outputs refused: " + answer.Message}}, c.Name)
				return &refused, nil
			}
		}
	}
	c.mu.Lock()
	delete(c.held, e.held.Lease.Lease)
	c.mu.Unlock()
	return nil, nil
}
