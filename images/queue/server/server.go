// Package server is the queue's HTTP API over a store: who may ask for what, what becomes of items on their way through the
// stages, and what is told of them. The API is described in package api.
package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/metrics"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Payloads keeps content that is too large for the store.
type Payloads interface {
	// Keep takes content, in the store itself if it is small.
	Keep(ctx context.Context, r io.Reader) (store.Payload, error)
	// Upload takes content of any size as a blob, and tells its SHA-256 in hexadecimal.
	Upload(ctx context.Context, r io.Reader) (p store.Payload, sum string, err error)
	// Find gives the payload of a reference that was uploaded. store.ErrNotFound.
	Find(ctx context.Context, ref string) (store.Payload, error)
	// Open content. store.ErrNotFound.
	Open(ctx context.Context, p store.Payload) (io.ReadCloser, error)
}

// Options of a Server.
type Options struct {
	Store    store.Store
	Payloads Payloads
	Page     http.Handler
	Metrics  *metrics.Metrics
	Log      *slog.Logger
	// Now is the time of the store.
	Now func() time.Time
	// Source and Sink tell their status; nil where there is none.
	Source func(ctx context.Context) (api.SourceStatus, error)
	Sink   func(ctx context.Context) (*api.SinkStatus, error)
	// Changed is called with each stage in which items have begun to wait, and with "" when there are results; nil is nobody.
	Changed func(stage string)
}

// A Server answers requests. It is safe for concurrent use.
type Server struct {
	o       Options
	plan    atomic.Pointer[plan]
	tokens  *tokens
	limiter atomic.Pointer[rate.Limiter]
	waiters waiters
	limits  limits
	crew    crew
	flight  flight
	meters  meters
	large   *semaphore.Weighted
	status  board
	past    past
	kick    chan struct{} // something may be due earlier
	drain   chan struct{}
	once    sync.Once
}

// New makes a server of a valid configuration. It does nothing by itself before Run.
func New(c *config.Config, o Options) (*Server, error) {
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	t, err := readTokens(c.Tokens)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, tokens: t, kick: make(chan struct{}, 1), drain: make(chan struct{}), meters: meters{all: o.Metrics}, large: semaphore.NewWeighted(largeBytes)}
	// Versions of a server that begins anew are not those of the one before.
	s.status.version, s.status.changed = time.Now().UnixMilli(), make(chan struct{})
	s.Apply(c)
	return s, nil
}

// Apply puts a configuration into use.
func (s *Server) Apply(c *config.Config) {
	s.plan.Store(planOf(c))
	limit := rate.Inf
	if n := c.Limits.RequestsPerSecond; n > 0 {
		limit = rate.Limit(n)
	}
	s.limiter.Store(rate.NewLimiter(limit, max(1, c.Limits.RequestsPerSecond)))
	s.status.touch()
}

// Run does what is to be done without being asked: it wakes who waits, lets delays and leases end, and counts. It returns
// when the context ends.
func (s *Server) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	for _, task := range []func(context.Context){s.follow, s.tick, s.sample, s.report} {
		tasks.Go(func() { task(ctx) })
	}
	tasks.Wait()
}

// Drain lets everybody who waits go at once.
func (s *Server) Drain() { s.once.Do(func() { close(s.drain) }) }

// follow the store's changes.
func (s *Server) follow(ctx context.Context) {
	changes := s.o.Store.Changed()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	dirty := false
	for {
		select {
		case <-ctx.Done():
			return
		case c, open := <-changes:
			if !open {
				return
			}
			dirty = true
			if c.Waiting {
				s.waiters.wake(c.Stage, wakes)
			}
			if c.Waiting || c.Stage == "" {
				s.o.Changed(c.Stage)
			}
			select {
			case s.kick <- struct{}{}:
			default:
			}
		case <-ticker.C: // status changes at most ten times a second
			if dirty {
				dirty = false
				s.status.touch()
			}
		}
	}
}

// Pauses of the tick.
const (
	tickItems = 1000
	tickMin   = 5 * time.Millisecond
	tickMax   = 500 * time.Millisecond
)

// tick lets delayed items wait and takes back leases when it is time.
func (s *Server) tick(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	fault := ""
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.kick:
			// A store that changes all the time is looked at twenty times a second.
			if pause := 50*time.Millisecond - time.Since(last); pause > 0 {
				timer.Reset(pause)
				continue
			}
		}
		last = time.Now()
		next, more, err := s.o.Store.Tick(ctx, s.rule, tickItems)
		pause := tickMax
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if fault != err.Error() {
				s.o.Log.Error("delays and leases do not end", "error", err.Error())
			}
			fault = err.Error()
		default:
			fault = ""
			if more {
				pause = tickMin
			} else if !next.IsZero() {
				pause = min(max(next.Sub(s.o.Now()), tickMin), tickMax)
			}
		}
		timer.Reset(pause)
	}
}
