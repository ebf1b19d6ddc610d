// Package deliver brings batches to the sink: straight from memory while the sink takes them, over the spool on disk
// while it does not.
//
// A batch is acknowledged once: when the sink has it, when the spool has it, or when a policy gave it up. One goroutine
// writes to the sink, so the batches of a file arrive in their order.
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/spool"
)

// Policy is what happens to a batch that the full spool has no room for.
type Policy int

const (
	// Block waits; the files are the buffer.
	Block Policy = iota
	// DropOldest gives up what has waited longest.
	DropOldest
	// DropNewest gives up the batch itself.
	DropNewest
)

// An Item is a batch on its way.
type Item struct {
	Batch *batch.Batch
	// Version of the checkpoint that notes the batch. It is on disk before the batch is anywhere else.
	Version uint64
	// Hurry tells that the file may soon be gone (it was rotated or removed): after a crash nobody could read it again.
	// Such a batch waits for a slow sink a tenth of the usual time.
	Hurry bool
	// Release gives the batch's memory back.
	Release func()
}

// Options are what a Deliverer works with.
type Options struct {
	Sink Sink
	// Permanent tells an error that will not go away by itself: a missing bucket, refused credentials.
	Permanent func(error) bool
	Spool     *spool.Spool
	OnFull    Policy
	// After is how long a batch waits in memory for a slow sink.
	After time.Duration
	// Timeout bounds one attempt.
	Timeout time.Duration
	// RetryMin and RetryMax are the shortest and the longest pause between attempts.
	RetryMin, RetryMax time.Duration
	// Sync returns when that version of the checkpoint is on disk.
	Sync func(ctx context.Context, version uint64) error
	// Ack is called once for each batch, in any order.
	Ack    func(identity string, start, end int64)
	Events Events
	Log    *slog.Logger
}

// Events are told of what happens, for metrics. They must not block.
type Events interface {
	// Delivered tells that the sink has acknowledged a batch.
	Delivered(b *batch.Batch, took time.Duration)
	// Failed tells of an attempt that failed; another will follow.
	Failed(permanent bool)
	// Spooled tells that a batch went to disk.
	Spooled(b *batch.Batch)
	// Dropped tells that a policy gave lines up.
	Dropped(policy string, lines int, bytes int64)
}

// A Deliverer is one queue before one sink.
type Deliverer struct {
	Options
	queue  chan Item
	direct chan Item
	// ordered tells that the sender has locked the order for the item that it was given.
	ordered chan struct{}
	wake    chan struct{} // the spool has got an entry
	room    chan struct{} // the spool has lost one

	// order is held from when the sender takes a batch from memory until that is acknowledged or on disk, so that no
	// later batch gets to disk before it.
	order sync.Mutex

	mu     sync.Mutex
	status Status
	held   *spool.Entry // being written
	memory []byte       // for entries of the spool; of the sender alone
}

// Status is how the sink does.
type Status struct {
	// Err is that of the last attempt, nil if it went well.
	Err error
	// Permanent tells that Err will not go away by itself.
	Permanent bool
	// Since is when the first of the failures in a row was.
	Since time.Time
	// Blocked tells that the spool is full and reading has stopped.
	Blocked bool
}

// New makes a Deliverer. depth is the number of batches that may wait in memory without blocking Submit.
func New(options Options, depth int) *Deliverer {
	return &Deliverer{
		Options: options,
		queue:   make(chan Item, depth),
		direct:  make(chan Item),
		ordered: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
	}
}

// Submit hands a batch over. It blocks while depth batches wait.
func (d *Deliverer) Submit(ctx context.Context, item Item) error {
	select {
	case d.queue <- item:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Finish says that nothing more will be submitted. Run then returns when all is delivered.
func (d *Deliverer) Finish() { close(d.queue) }

// Status tells how the sink does.
func (d *Deliverer) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

// Run delivers until ctx ends, or until all is delivered after Finish.
func (d *Deliverer) Run(ctx context.Context) {
	var intake sync.WaitGroup
	intake.Go(func() {
		defer close(d.direct)
		d.take(ctx)
	})
	d.send(ctx)
	intake.Wait()
}

// take passes each batch on to the sender, or to disk if the sender cannot take it soon.
func (d *Deliverer) take(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case item, ok := <-d.queue:
			if !ok {
				return
			}
			d.pass(ctx, item)
		}
	}
}

func (d *Deliverer) pass(ctx context.Context, item Item) {
	patience := d.After
	if item.Hurry {
		patience /= 10
	}
	if d.Status().Err != nil || d.backlog(int64(len(item.Batch.Records))) {
		patience = 0
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case d.direct <- item:
		<-d.ordered
		return
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	if d.Sync(ctx, item.Version) != nil {
		return
	}
	for {
		d.order.Lock()
		if waiting, _, _, _ := d.Spool.Size(); waiting == 0 && d.Status().Err == nil {
			d.slow(item.Batch)
		}
		settled := d.stash(item)
		d.order.Unlock()
		if settled {
			d.block(false)
			item.Release()
			return
		}
		d.block(true)
		select {
		case d.direct <- item: // the spool ran empty
			<-d.ordered
			d.block(false)
			return
		case <-ctx.Done():
			return
		case <-d.room:
		case <-time.After(200 * time.Millisecond): // the disk may have room again without our doing
		}
	}
}

// slow logs that the spool is being used although the sink does not fail: the first batch of them only.
func (d *Deliverer) slow(b *batch.Batch) {
	d.Log.Info("sink is slow, batches go to disk", "batch", b.Name)
}

// backlog tells that the spool holds more than a few batches, so that waiting for it to run empty takes too long.
func (d *Deliverer) backlog(size int64) bool {
	_, _, bytes, _ := d.Spool.Size()
	return bytes > 4*size && bytes > 1<<20
}

func (d *Deliverer) block(blocked bool) {
	d.mu.Lock()
	changed := d.status.Blocked != blocked
	d.status.Blocked = blocked
	d.mu.Unlock()
	if changed && blocked {
		d.Log.Warn("spool is full, reading has stopped", "policy", "block")
	} else if changed {
		d.Log.Info("spool has room again")
	}
}

// stash puts the batch on disk, or lets the policy decide. It reports whether the batch is settled.
func (d *Deliverer) stash(item Item) bool {
	b := item.Batch
	for {
		_, err := d.Spool.Put(b)
		if err == nil {
			d.Events.Spooled(b)
			d.Ack(b.Identity, b.Start, b.End)
			d.nudge(d.wake)
			return true
		}
		if !errors.Is(err, spool.ErrFull) {
			d.Log.Error("batch not put on disk", "error", err.Error())
		}
		switch d.OnFull {
		case Block:
			return false
		case DropNewest:
			d.drop("drop_newest", b.Lines, int64(len(b.Records)))
			d.Ack(b.Identity, b.Start, b.End)
			return true
		case DropOldest:
			entry, ok := d.victim()
			if !ok {
				return false
			}
			if removed, err := d.Spool.Remove(entry); err != nil {
				d.Log.Error("batch not dropped from disk", "error", err.Error())
				return false
			} else if removed {
				d.drop("drop_oldest", entry.Lines, entry.Size)
			}
		}
	}
}

// victim is the oldest entry that is not being written.
func (d *Deliverer) victim() (spool.Entry, bool) {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	for _, entry := range d.Spool.Entries() {
		if held == nil || entry != *held {
			return entry, true
		}
	}
	return spool.Entry{}, false
}

func (d *Deliverer) drop(policy string, lines int, bytes int64) {
	d.Events.Dropped(policy, lines, bytes)
	d.Log.Warn("spool is full, lines were dropped", "policy", policy, "lines", lines)
}

func (d *Deliverer) nudge(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
