// Package replicas knows the replicas of one child: which of them is the best to ask now, which one is not to be asked because it
// fails, and how long they take.
//
// The best is the one with the least latency times requests that are under way there (as C3 ranks replicas by queue and time of
// service: Suresh, Canini, Schmid, Feldmann, "C3: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica Selection", NSDI
// 2015), where latency is a Peak EWMA.
package replicas

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

// Options of a Set. Zero fields have the defaults of the configuration.
type Options struct {
	// Name of the child, for the log.
	Name string
	// Protocol is "http1" or "h2c".
	Protocol string
	// ProbePath is asked of a replica whose breaker is open; "" opens a connection.
	ProbePath string
	Breaker   config.Breaker
	// Outstanding is how many requests a replica gets at once.
	Outstanding int
	HeaderBytes int
	// Siblings are those whose latencies stand for the set's own while it has too few; nil where there are none.
	Siblings *Siblings
	Log      *slog.Logger
}

// Siblings are the sets of children that are alike. A gatherer that has just begun, or that has many children and few requests,
// knows of each too little, and of all of them enough.
type Siblings struct {
	start     time.Time
	latencies histogram
}

// NewSiblings that know nothing yet.
func NewSiblings() *Siblings { return &Siblings{start: time.Now()} }

func (o Options) withDefaults() *Options {
	var c config.Config
	c.Policy.Breaker, c.Policy.Outstanding, c.Limits.HeaderBytes = o.Breaker, o.Outstanding, o.HeaderBytes
	c.SetDefaults()
	o.Breaker, o.Outstanding, o.HeaderBytes = c.Policy.Breaker, c.Policy.Outstanding, c.Limits.HeaderBytes
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &o
}

// Why there is no replica to ask.
var (
	// ErrNoReplica is when none is known, or all have failed; its text goes on with the reason.
	ErrNoReplica = errors.New("no replica")
	// ErrBusy is when those that might be asked have as many requests as they may.
	ErrBusy = errors.New("no replica: all have as many requests as they may")
)

// A Set is the replicas of one child. It is safe for concurrent use.
type Set struct {
	options atomic.Pointer[Options]
	start   time.Time
	// typical latency of all replicas: what is expected of one that is new.
	typical   average
	latencies histogram
	known     atomic.Bool // of late there were enough latencies to tell quantiles
	siblings  *Siblings
	reached   atomic.Bool
	woken     chan struct{}

	mu     sync.Mutex // of Update
	closed bool
	all    atomic.Pointer[[]*Replica]
}

// New makes a Set without replicas.
func New(o Options) *Set {
	s := &Set{start: time.Now(), woken: make(chan struct{}, 1), siblings: o.Siblings}
	s.options.Store(o.withDefaults())
	s.all.Store(&[]*Replica{})
	return s
}

// now is the time since the beginning.
func (s *Set) now() time.Duration { return time.Since(s.start) }

// Apply other options to all replicas. Protocol and HeaderBytes are those of connections that a replica opens after it has come,
// or has failed.
func (s *Set) Apply(o Options) { s.options.Store(o.withDefaults()) }

// Update the addresses, each HOST:PORT. Replicas that stay keep what is known of them; those that go end what they have begun.
func (s *Set) Update(addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := *s.all.Load()
	next := make([]*Replica, 0, len(addresses))
	for _, address := range addresses {
		named := func(r *Replica) bool { return r.Address == address }
		if slices.ContainsFunc(next, named) {
			continue
		}
		if at := slices.IndexFunc(was, named); at >= 0 {
			next = append(next, was[at])
			continue
		}
		r := s.newReplica(address)
		if s.closed {
			r.leave()
		}
		next = append(next, r)
	}
	s.all.Store(&next)
	for _, r := range was {
		if !slices.Contains(next, r) {
			r.leave()
		}
	}
	s.wake()
}

// floor under which the expected latency of a replica that is not asked does not sink.
func (s *Set) floor() float64 { return s.typical.value() / 2 }

// Pick the best replica that is not among those, and count a request for it, which must be Done. The error, ErrNoReplica or
// ErrBusy, says in a line why there is none.
//
// A first request (not is empty) may be the one that tries whether a replica that has failed is well again. One that is sent
// because another was slow or has failed is too dear for that, as long as there is a replica that is well.
func (s *Set) Pick(not ...*Replica) (*Replica, error) {
	all := *s.all.Load()
	limit := int64(s.options.Load().Outstanding)
	now := s.now()
	for {
		best, half, busy := s.least(all, not, limit, now)
		if half != nil && (best == nil || len(not) == 0) && half.breaker.try(now) {
			half.outstanding.Add(1)
			half.requests.Add(1)
			return half, nil
		}
		switch {
		case best == nil && busy:
			return nil, ErrBusy
		case best == nil:
			return nil, none(all, not)
		case best.take(limit):
			return best, nil
		} // others were quicker to take what was left of it
	}
}

// curiosity is how much quicker than usual a replica is taken to be of which nothing is known.
const curiosity = 0.9

// least of the replicas by latency and load, one whose breaker is half open, and whether there are any that are well but full.
func (s *Set) least(all, not []*Replica, limit int64, now time.Duration) (best, half *Replica, busy bool) {
	typical := max(s.typical.value(), 1)
	least, equals := 0.0, 0
	for _, r := range all {
		state := r.breaker.state()
		if state == open || state == trying || slices.Contains(not, r) {
			continue
		}
		if state == halfOpen {
			half = r
			continue
		}
		waiting := r.outstanding.Load()
		if waiting >= limit {
			busy = true
			continue
		}
		// Nothing is known of a new one: it is taken for one like the others, and a little better so that it is asked, but not
		// for the best of all, else all requests went there until it answers.
		latency := r.latency.at(now, typical/2)
		if latency == 0 {
			latency = curiosity * typical
		}
		cost := latency * float64(waiting+1)
		switch {
		case best == nil || cost < least:
			best, least, equals = r, cost, 1
		case cost == least: // those that are alike take turns by chance
			if equals++; rand.IntN(equals) == 0 { //nolint:gosec // chance, not a secret
				best = r
			}
		}
	}
	return best, half, busy
}

// take a request, unless there are enough.
func (r *Replica) take(limit int64) bool {
	for {
		n := r.outstanding.Load()
		if n >= limit {
			return false
		}
		if r.outstanding.CompareAndSwap(n, n+1) {
			r.requests.Add(1)
			return true
		}
	}
}

// none says why.
func none(all, not []*Replica) error {
	if len(all) == 0 {
		return fmt.Errorf("%w: no address is known", ErrNoReplica)
	}
	for _, r := range all {
		if state, why := r.breaker.why(); state != closed && why != "" && !slices.Contains(not, r) {
			return fmt.Errorf("%w: %s", ErrNoReplica, why)
		}
	}
	return fmt.Errorf("%w besides those that were asked", ErrNoReplica)
}

// Others tells whether there is a replica to ask besides those.
func (s *Set) Others(than []*Replica) bool {
	for _, r := range *s.all.Load() {
		if r.breaker.state() == closed && !slices.Contains(than, r) {
			return true
		}
	}
	// With two replicas or more, one that was asked can be asked again by another connection.
	return len(than) > 1
}

// Quantile (0 to 1) of the latencies of the last 10 to 12.5 s; 0 if there are too few to tell. It is worked out again at most
// every tenth of a second, and is at most an eighth off. Besides successes it counts requests that were cancelled when they had
// taken longer than usual, as they would be the slow ones.
//
// While there are too few to be sure, it is the siblings'.
func (s *Set) Quantile(q float64) time.Duration {
	own, sure := s.latencies.quantile(q, s.now())
	if sure != s.known.Load() {
		s.known.Store(sure)
	}
	if sure || s.siblings == nil {
		return own
	}
	if theirs, _ := s.siblings.latencies.quantile(q, time.Since(s.siblings.start)); theirs > 0 {
		return theirs
	}
	return own
}

// observe a latency.
func (s *Set) observe(latency, now time.Duration) {
	s.latencies.observe(latency, now)
	if s.siblings != nil && !s.known.Load() {
		s.siblings.latencies.observe(latency, time.Since(s.siblings.start))
	}
}

// Ready tells whether a request would have somewhere to go.
func (s *Set) Ready() bool {
	for _, r := range *s.all.Load() {
		if state := r.breaker.state(); state == closed || state == halfOpen {
			return true
		}
	}
	return false
}

// Reached tells whether a replica has ever answered a request or a probe.
func (s *Set) Reached() bool { return s.reached.Load() }
