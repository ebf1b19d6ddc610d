// Package source reads what a pipeline works on from outside: a list in the configuration, the objects of a bucket, an
// HTTP server, schedules. Each name becomes one item in each stage that is fed by the source.
//
// How far a source was read is in the store, in marks that begin with "source/": a server that takes over, or begins
// again after a sudden end, goes on from there, and every server can tell the status. Names are enqueued before they are
// remembered as known, so that an end in between offers them twice and the queue finds the double by its name.
package source

import (
	"context"
	"io"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/source/known"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Store is what is needed of store.Store.
type Store interface {
	known.Marks
	Enqueue(ctx context.Context, items []store.NewItem) ([]store.Enqueued, error)
}

// Options of a Reader.
type Options struct {
	Store Store
	// Keep stores content until an item refers to it, and gives the reference.
	Keep func(ctx context.Context, content io.Reader) (store.Payload, error)
	// Bucket opens the bucket of a URL.
	Bucket func(url string) (Bucket, error)
	Log    *slog.Logger
	// Now is the wall clock, by which schedules go; nil is time.Now.
	Now func() time.Time
	// Changed is called when the status may have changed; nil is nobody.
	Changed func()
}

// A Reader reads all sources of a configuration.
type Reader struct {
	o     Options
	after func(time.Duration) <-chan time.Time

	mu      sync.Mutex
	config  *config.Config
	applied chan struct{}
}

// New makes a Reader. Apply gives it its configuration.
func New(o Options) *Reader {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Reader{o: o, after: time.After, config: &config.Config{}, applied: make(chan struct{}, 1)}
}

// Apply puts a configuration into use, also while Run goes on: sources that it does not change go on undisturbed.
func (r *Reader) Apply(c *config.Config) {
	r.mu.Lock()
	r.config = c
	r.mu.Unlock()
	select {
	case r.applied <- struct{}{}:
	default:
	}
}

func (r *Reader) current() *config.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config
}

// Run reads until the context ends. One server at a time should: several would do no harm, and double work.
func (r *Reader) Run(ctx context.Context) {
	type running struct {
		feed
		stop context.CancelFunc
		done chan struct{}
	}
	var now []*running
	for {
		wanted := feeds(r.current())
		var next []*running
		for _, w := range now {
			if i := find(wanted, w.feed); i >= 0 {
				wanted = append(wanted[:i:i], wanted[i+1:]...)
				next = append(next, w)
				continue
			}
			w.stop()
			<-w.done
		}
		for _, f := range wanted {
			own, stop := context.WithCancel(ctx)
			w := &running{feed: f, stop: stop, done: make(chan struct{})}
			go func() {
				defer close(w.done)
				r.follow(own, f)
			}()
			next = append(next, w)
		}
		now = next
		r.o.Changed()
		select {
		case <-r.applied:
		case <-ctx.Done():
			for _, w := range now {
				w.stop()
				<-w.done
			}
			return
		}
	}
}

func find(all []feed, one feed) int {
	for i, f := range all {
		if reflect.DeepEqual(f, one) {
			return i
		}
	}
	return -1
}
