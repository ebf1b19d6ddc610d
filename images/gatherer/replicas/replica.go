package replicas

import (
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/upstream"
)

// A Replica is one of a Set. It is safe for concurrent use.
type Replica struct {
	// Address is HOST:PORT.
	Address     string
	set         *Set
	pool        atomic.Pointer[upstream.Pool]
	latency     average
	breaker     breaker
	outstanding atomic.Int64
	requests    atomic.Uint64
	failures    atomic.Uint64
	left        atomic.Bool
}

func (s *Set) newReplica(address string) *Replica {
	r := &Replica{Address: address, set: s}
	r.pool.Store(r.newPool())
	r.breaker.begin(s.now())
	return r
}

func (r *Replica) newPool() *upstream.Pool {
	o := r.set.options.Load()
	return upstream.New(r.Address, upstream.Options{Protocol: o.Protocol, HeaderBytes: o.HeaderBytes})
}

// Pool of its connections.
func (r *Replica) Pool() *upstream.Pool { return r.pool.Load() }

// leave lets connections go: idle ones now, others after their requests.
func (r *Replica) leave() {
	r.left.Store(true)
	r.pool.Load().Close()
}

// Outcome of a request.
type Outcome int

// The outcomes.
const (
	// Success is an answer, whatever it says.
	Success Outcome = iota
	// Failure is none, or that the replica cannot answer now.
	Failure
	// Cancelled says nothing of the replica, but that it took longer than that.
	Cancelled
)

// failureCost is how many times the usual latency a failure counts as: the request has to be sent again to another, and who
// fails quickly must not look like the quickest of all.
const failureCost = 4

// Done with a request that was picked, after so long. It must be called once for each. Why is the reason of a failure.
func (r *Replica) Done(latency time.Duration, outcome Outcome, why ...string) {
	r.outstanding.Add(-1)
	s := r.set
	now := s.now()
	switch outcome {
	case Success:
		r.latency.peak(float64(latency), now)
		s.typical.blend(float64(latency), now)
		s.observe(latency, now)
		r.breaker.success(now)
		if !s.reached.Load() {
			s.reached.Store(true)
		}
	case Cancelled:
		// Most often another was quicker. If those were left out that were slow, the slow ones would be missing in the quantiles,
		// and their replica would go on looking quick. Those that were cancelled early tell nothing.
		if float64(latency) > s.typical.value() {
			s.observe(latency, now)
			if float64(latency) > r.latency.value() {
				r.latency.peak(float64(latency), now)
			}
		}
		r.breaker.undecided(now)
	case Failure:
		r.failures.Add(1)
		r.latency.peak(max(float64(latency), failureCost*s.typical.value()), now)
		reason := "failed"
		if len(why) > 0 && why[0] != "" {
			reason = why[0]
		}
		if o := s.options.Load(); r.breaker.failure(now, o.Breaker, reason) {
			r.opened(o, reason)
		}
		s.wake()
	}
}

// opened is what follows when the breaker opens. The connections may be as dead as the replica, without having noticed.
func (r *Replica) opened(o *Options, why string) {
	was := r.pool.Swap(r.newPool())
	was.Close()
	if r.left.Load() {
		r.pool.Load().Close()
	}
	o.Log.Warn("a replica gets no requests until it answers a probe", "child", o.Name, "replica", r.Address, "reason", why)
}
