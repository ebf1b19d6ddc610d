package deliver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/spool"
)

// send writes to the sink: what is on disk first, for it is older.
func (d *Deliverer) send(ctx context.Context) {
	d.check(ctx) // noted; what is to be written shows the rest
	open := true
	for ctx.Err() == nil {
		if entry, ok := d.Spool.Oldest(); ok {
			d.sendSpooled(ctx, entry)
			continue
		}
		if !open {
			return
		}
		var again <-chan time.Time
		if d.Status().Err != nil { // nothing to write: ask
			again = time.After(d.RetryMax)
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
			d.check(ctx)
		case <-d.wake:
		case item, ok := <-d.direct:
			if !ok {
				open = false
				continue
			}
			d.sendDirect(ctx, item)
		}
	}
}

// sendSpooled tries until the entry is delivered, or was dropped meanwhile.
func (d *Deliverer) sendSpooled(ctx context.Context, entry spool.Entry) {
	pause := backoff{min: d.RetryMin, max: d.RetryMax}
	defer d.hold(nil)
	for refusals := 0; ctx.Err() == nil; {
		if oldest, ok := d.Spool.Oldest(); !ok || oldest != entry {
			return
		}
		d.hold(&entry)
		b, err := d.Spool.Load(entry, d.memory)
		if err == nil {
			d.memory = b.Records
			if err = d.attempt(ctx, b); err == nil {
				d.forget(entry)
				return
			}
			if d.Permanent(err) {
				if refusals++; refusals >= refusalsBeforeDoubt && d.poisonous(ctx, entry) {
					return
				}
			}
		} else {
			d.note(err)
		}
		d.hold(nil)
		pause.wait(ctx)
	}
}

// refusalsBeforeDoubt is how often the sink refuses a batch until it is asked whether it takes another one.
const refusalsBeforeDoubt = 3

// poisonous finds out whether the sink refuses just this batch (a line that is too long for it, a time that is too old),
// and not all of them. The proof is that it takes the next one, and after that still not this one: in between, the sink
// may just have come to its senses. Then the batch is put aside, or nothing would ever be delivered again.
// It reports whether the batch is settled, in either way.
func (d *Deliverer) poisonous(ctx context.Context, entry spool.Entry) bool {
	waiting := d.Spool.Entries()
	if len(waiting) < 2 || waiting[0] != entry {
		return false
	}
	b, err := d.Spool.Load(waiting[1], d.memory)
	if err != nil {
		return false
	}
	d.memory = b.Records
	if d.attempt(ctx, b) != nil {
		return false
	}
	d.forget(waiting[1])
	if b, err = d.Spool.Load(entry, d.memory); err != nil {
		return false
	}
	d.memory = b.Records
	cause := d.attempt(ctx, b)
	if cause == nil {
		d.forget(entry)
		return true
	}
	if !d.Permanent(cause) {
		return false
	}
	path, err := d.Spool.SetAside(entry)
	if err != nil {
		d.Log.Error("refused batch not put aside", "error", err.Error())
		return false
	}
	d.Events.Dropped("refused", entry.Lines, entry.Size)
	d.Log.Error("the sink refuses a batch for good and takes others; it was put aside", "lines", entry.Lines, "kept", path, "error", cause.Error())
	d.nudge(d.room)
	return true
}

// hold says which entry is being written, so that no policy gives it up meanwhile.
func (d *Deliverer) hold(entry *spool.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = entry
}

func (d *Deliverer) forget(entry spool.Entry) {
	if _, err := d.Spool.Remove(entry); err != nil {
		d.Log.Error("delivered batch not removed from disk", "error", err.Error())
	}
	d.nudge(d.room)
}

// sendDirect writes a batch from memory. If the sink is slow or fails, the batch goes to disk, and its turn comes again.
func (d *Deliverer) sendDirect(ctx context.Context, item Item) {
	b := item.Batch
	defer item.Release()
	d.order.Lock()
	d.ordered <- struct{}{}
	if d.Sync(ctx, item.Version) != nil {
		d.order.Unlock()
		return
	}
	pause := backoff{min: d.RetryMin, max: d.RetryMax}
	for {
		stashed, err := d.race(ctx, b)
		var settled bool
		switch {
		case stashed != nil && err == nil:
			d.forget(*stashed)
			return
		case stashed != nil:
			settled = true
		case err == nil:
			d.order.Unlock()
			d.Ack(b.Identity, b.Start, b.End)
			return
		default:
			settled = d.stash(item)
			d.order.Unlock()
		}
		pause.wait(ctx)
		if settled || ctx.Err() != nil {
			return
		}
		d.order.Lock()
	}
}

// race writes the batch, and puts it on disk if that takes long. It is called with the order locked, and unlocks it
// when the batch is on disk.
func (d *Deliverer) race(ctx context.Context, b *batch.Batch) (stashed *spool.Entry, err error) {
	written := make(chan error, 1)
	go func() { written <- d.attempt(ctx, b) }()
	timer := time.NewTimer(d.After)
	defer timer.Stop()
	select {
	case err = <-written:
		return nil, err
	case <-timer.C:
	}
	entry, full := d.Spool.Put(b)
	if full != nil { // then it waits for the sink alone
		return nil, <-written
	}
	d.slow(b)
	d.Events.Spooled(b)
	d.Ack(b.Identity, b.Start, b.End)
	d.order.Unlock()
	return &entry, <-written
}

// attempt writes the batch once and notes the outcome.
func (d *Deliverer) attempt(ctx context.Context, b *batch.Batch) error {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	err := d.Sink.Write(limited, b)
	if ctx.Err() != nil && err != nil {
		return err // we gave up, not the sink
	}
	if err != nil {
		err = fmt.Errorf("write %s: %w", b.Name, err)
	} else {
		d.Events.Delivered(b, time.Since(began))
	}
	d.note(err)
	return err
}

// note keeps the status, and logs when it changes: not each of the attempts during an outage.
func (d *Deliverer) note(err error) {
	permanent := err != nil && d.Permanent(err)
	d.mu.Lock()
	before := d.status
	d.status.Err, d.status.Permanent = err, permanent
	if err != nil && before.Err == nil {
		d.status.Since = time.Now()
	}
	since := d.status.Since
	d.mu.Unlock()
	if err != nil {
		d.Events.Failed(permanent)
	}
	switch {
	case err != nil && permanent && !before.Permanent:
		d.Log.Error("sink refuses what is sent to it, and will go on doing so", "error", err.Error())
	case err != nil && before.Err == nil:
		d.Log.Warn("sink is away", "error", err.Error())
	case err == nil && before.Err != nil:
		d.Log.Info("sink is back", "away_seconds", time.Since(since).Seconds())
	}
}

// check asks the sink once, and notes the outcome.
func (d *Deliverer) check(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	err := d.Sink.Check(limited)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		err = fmt.Errorf("check the sink: %w", err)
	}
	d.note(err)
}

// backoff is a growing pause with jitter: "full jitter" between half and the whole of the pause, so that the savers of
// many replicas do not return to a sink in step.
type backoff struct {
	min, max, next time.Duration
}

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(b.next*2, b.min), b.max)
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
