// Package claims holds the leases of items: it receives them a little ahead of the work, keeps them alive, and tells the
// queue what became of them.
package claims

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/remote"
)

// Why an attempt is ended from outside: the causes of its context.
var (
	ErrLeaseLost   = errors.New("the lease is lost")
	ErrTerminating = errors.New("the worker terminates")
)

// The bounds.
const (
	maxAhead      = 100             // items received and not begun; also the API's limit of one receive
	maxAheadBytes = 4 << 20         // of their contents
	staleAfter    = 2 * time.Second // what has not been begun by then is given back, so that an idle worker can have it
	maxUnsent     = 256             // ends of items that the queue has not been told; more, and work waits
	maxUnsentSize = 8 << 20         // bytes of their outputs
	receiveWait   = 20 * time.Second
	drainPause    = time.Second // between receives while the queue wants this worker to have nothing
)

// A Queue is what of the API is needed here; *remote.Client is one.
type Queue interface {
	Receive(ctx context.Context, r api.ReceiveRequest, wait time.Duration) (api.ReceiveAnswer, error)
	Extend(ctx context.Context, leases []string) ([]*api.Error, error)
	Ack(ctx context.Context, items []api.Ack) ([]*api.Error, error)
	Nack(ctx context.Context, items []api.Nack) ([]*api.Error, error)
}

var _ Queue = (*remote.Client)(nil)

// The outcomes.
const (
	Done      = "done"
	Retry     = "retry"
	Permanent = "permanent"
	Released  = "released"
	Lost      = "lease_lost"
)

// A Result says what became of an attempt.
type Result struct {
	Outcome string
	Outputs []api.Output  // of done
	Delay   time.Duration // of retry; 0 is the stage's backoff
	Failure api.Failure   // of the others
}

// A Worker works on one item. The cause of the context's end is ErrLeaseLost or ErrTerminating; it then returns soon.
type Worker func(ctx context.Context, lease api.Lease) Result

// Events are counted by whoever is interested.
type Events interface {
	Ended(outcome string, seconds float64)
	LeaseLost()
}

// Options of Claims.
type Options struct {
	Name        string // of this replica
	Index       int
	Concurrency int
	Work        Worker
	// Ready blocks until items can be worked on, or ctx ends. Nil is always.
	Ready  func(ctx context.Context) error
	Events Events
	Log    *slog.Logger
}

// Claims are the items in the hands of this worker.
type Claims struct {
	Options
	queue Queue

	mu       sync.Mutex
	changed  *sync.Cond // free slots, room for what is unsent
	ahead    []*held    // received, not begun
	bytes    int64      // of ahead
	held     map[string]*held
	running  int
	stopped  bool // claims nothing more
	draining bool // the queue says so
	unsent   []end
	size     int // of unsent
	sending  int

	seconds, trip float64 // moving averages: of an item, of a receive that did not wait
	wake, send    chan struct{}
	work          chan *held
	tasks         sync.WaitGroup
}

// held is one lease.
type held struct {
	api.Lease
	received time.Time
	extended time.Time
	cancel   context.CancelCauseFunc // nil until it is begun
	lost     bool
	ended    bool // the attempt is over
}

// New makes Claims that hold nothing yet.
func New(queue Queue, o Options) *Claims {
	c := &Claims{
		Options: o, queue: queue, held: map[string]*held{}, trip: 0.002,
		wake: make(chan struct{}, 1), send: make(chan struct{}, 1), work: make(chan *held),
	}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Run works until ctx ends, or until Drain has returned and ctx ends.
func (c *Claims) Run(ctx context.Context) error {
	for range c.Concurrency {
		c.tasks.Add(1)
		go func() { defer c.tasks.Done(); c.slot(ctx) }()
	}
	c.tasks.Add(3)
	go func() { defer c.tasks.Done(); c.claim(ctx) }()
	go func() { defer c.tasks.Done(); c.keep(ctx) }()
	go func() { defer c.tasks.Done(); c.tell(ctx) }()
	<-ctx.Done()
	c.mu.Lock()
	c.stopped = true
	for _, h := range c.held {
		if h.cancel != nil {
			h.cancel(ErrTerminating)
		}
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.tasks.Wait()
	return nil
}

// Drain claims nothing more, gives back what was not begun, and waits for what runs until the time is up; then it ends
// that, gives it back, and waits until the queue has been told.
func (c *Claims) Drain(ctx context.Context, patience time.Duration) error {
	c.mu.Lock()
	c.stopped = true
	c.releaseAhead(0)
	c.changed.Broadcast()
	c.mu.Unlock()
	poke(c.wake)
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if c.wait(patient, func() bool { return c.running == 0 }) != nil {
		c.mu.Lock()
		for _, h := range c.held {
			if h.cancel != nil {
				h.cancel(ErrTerminating)
			}
		}
		c.mu.Unlock()
	}
	return c.wait(ctx, func() bool { return c.running == 0 && len(c.unsent) == 0 && c.sending == 0 })
}

// wait waits until something holds (under the lock) or ctx ends.
func (c *Claims) wait(ctx context.Context, holds func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock() // so that the broadcast is not between the check and the wait
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !holds() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.changed.Wait()
	}
	return nil
}

// Counts are for the metrics.
func (c *Claims) Counts() (running, prefetched int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running, len(c.ahead)
}

// slot works on one item after the other.
func (c *Claims) slot(ctx context.Context) {
	for {
		c.mu.Lock()
		for !c.stopped && (len(c.ahead) == 0 || len(c.unsent) >= maxUnsent || c.size >= maxUnsentSize) {
			c.changed.Wait()
		}
		if c.stopped {
			c.mu.Unlock()
			return
		}
		h := c.ahead[0]
		c.ahead = c.ahead[1:]
		c.bytes -= int64(len(h.Data))
		c.running++
		attempt, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		h.cancel = cancel
		c.mu.Unlock()
		poke(c.wake)

		began := time.Now()
		result := c.Work(attempt, h.Lease)
		took := time.Since(began).Seconds()
		cancel(nil)
		c.finish(h, result, took)
	}
}

// finish hands an ended item over to the teller.
func (c *Claims) finish(h *held, result Result, took float64) {
	c.mu.Lock()
	c.running--
	h.ended = true
	if c.seconds == 0 {
		c.seconds = took
	}
	c.seconds += (took - c.seconds) / 8
	if h.lost {
		result.Outcome = Lost
		delete(c.held, h.Lease.Lease)
	} else {
		c.tellLater(ended(h, result, c.Name))
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	poke(c.wake)
	c.Events.Ended(result.Outcome, took)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
