package claims

import (
	"context"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// The slots have work for that long while the next is asked for, and an item that is shorter than the other is worth to be
// taken ahead at all.
const (
	aheadSeconds = 0.04
	shortSeconds = 0.5
)

// claim receives items, a request at a time.
func (c *Claims) claim(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pause := backoff{}
	wait := time.Duration(0) // until the queue has answered: that says that it is there, and a long poll would say so late
	for ctx.Err() == nil {
		if c.Ready != nil && c.Ready(ctx) != nil {
			return
		}
		c.mu.Lock()
		if c.stopped {
			c.mu.Unlock()
			return
		}
		wanted := c.wanted()
		c.mu.Unlock()
		if wanted == 0 {
			select {
			case <-c.wake:
			case <-ctx.Done():
			}
			continue
		}
		began := time.Now()
		answer, err := c.receive(ctx, wanted, wait)
		if err != nil {
			if ctx.Err() != nil || c.isStopped() {
				return
			}
			again := pause.next()
			c.Log.Warn("items cannot be received", "error", err.Error(), "again_in", again.String())
			c.rest(ctx, again)
			wait = 0
			continue
		}
		pause, wait = backoff{}, receiveWait
		c.take(answer, wanted, began)
		if answer.Drain {
			c.rest(ctx, drainPause)
		}
	}
}

// receive is one poll, which ends when the worker stops.
func (c *Claims) receive(ctx context.Context, wanted int, wait time.Duration) (api.ReceiveAnswer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		_ = c.wait(ctx, func() bool { return c.stopped })
		cancel()
	}()
	return c.queue.Receive(ctx, api.ReceiveRequest{Worker: c.Name, Index: c.Index, Max: wanted}, wait)
}

// wanted is how many items to ask for: one for each slot that is free, and as many ahead as the slots use up while a few
// requests are on their way. Long items are not taken ahead at all: another worker may be idle. The caller holds the lock.
func (c *Claims) wanted() int {
	if len(c.unsent) >= maxUnsent || c.size >= maxUnsentSize {
		return 0
	}
	ahead := 0
	if c.seconds > 0 {
		ahead = int(float64(c.Concurrency) * max(4*c.trip, aheadSeconds) / c.seconds)
		if c.seconds < shortSeconds {
			ahead = max(ahead, c.Concurrency)
		}
	}
	if c.bytes >= maxAheadBytes {
		ahead = 0
	}
	ahead = min(ahead, maxAhead)
	missing := c.Concurrency - c.running + ahead - len(c.ahead)
	if ahead > 0 && c.Concurrency == c.running && missing < (ahead+1)/2 {
		return 0 // half of them at once, not each by itself
	}
	return max(0, min(missing, maxAhead))
}

// take puts what was received where the slots find it.
func (c *Claims) take(answer api.ReceiveAnswer, wanted int, began time.Time) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer.Drain != c.draining {
		c.draining = answer.Drain
		if answer.Drain {
			c.Log.Info("the queue takes this worker away: no items until it says otherwise")
		} else {
			c.Log.Info("the queue gives this worker items again")
		}
	}
	// An answer that is not full may have waited for its first item; one that is tells what a request takes.
	if took := now.Sub(began).Seconds(); len(answer.Leases) == wanted && took < 0.2 {
		c.trip += (took - c.trip) / 8
	}
	for _, lease := range answer.Leases {
		// The visibility counts from the answer; where that was on its way for long is on the safe side here.
		h := &held{Lease: lease, received: now, extended: now}
		c.held[lease.Lease] = h
		c.ahead = append(c.ahead, h)
		c.bytes += int64(len(lease.Data))
	}
	if c.stopped || c.draining {
		c.releaseAhead(0)
	}
	c.changed.Broadcast()
}

// releaseAhead gives back what was received that long ago and not begun. The caller holds the lock.
func (c *Claims) releaseAhead(age time.Duration) {
	kept := c.ahead[:0]
	for _, h := range c.ahead {
		if time.Since(h.received) < age {
			kept = append(kept, h)
			continue
		}
		c.bytes -= int64(len(h.Data))
		c.tellLater(ended(h, Result{Outcome: Released, Failure: api.Failure{Reason: "not begun"}}, c.Name))
	}
	clear(c.ahead[len(kept):])
	c.ahead = kept
}

func (c *Claims) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// rest waits, or until the worker stops.
func (c *Claims) rest(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_ = c.wait(ctx, func() bool { return c.stopped })
}

// backoff doubles from 50 ms to 5 s: a server that is back is soon found, and one that is not is left in peace.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, 50*time.Millisecond), 5*time.Second)
	return b.last
}
