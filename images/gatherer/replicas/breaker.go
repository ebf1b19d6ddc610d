package replicas

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

// state of a breaker.
type state int32

const (
	closed state = iota
	open
	// halfOpen waits for a request that tries, trying for what becomes of it.
	halfOpen
	trying
)

func (s state) String() string { return [...]string{"closed", "open", "half_open", "half_open"}[s] }

// A breaker keeps requests from a replica that fails (circuit breaker; Nygard, "Release It!", 2007). It opens after failures in
// a row; then the replica is probed beside the requests, with pauses that double. After a probe that succeeds one request may
// try, and decides.
//
// While it is closed, a request that fails is followed by probes, until a request succeeds, a probe does, or it opens: that a
// replica is dead is known soon, and costs few requests. A new replica is probed once, and one failure opens it: most are well,
// and the others are known before many requests have gone there.
//
// Times are since the beginning of the Set.
type breaker struct {
	// now and failures may be read without mu. As long as all is well, nothing else is.
	now      atomic.Int32 // a state
	failures atomic.Int32 // in a row
	proven   atomic.Bool  // it has answered a request

	mu       sync.Mutex
	due      bool // a probe, at next
	probing  bool
	answered time.Duration // when the last probe ended
	next     time.Duration // of a probe, or of a try while half open
	pause    time.Duration
	reason   string
}

func (b *breaker) state() state { return state(b.now.Load()) }

// begin with a probe.
func (b *breaker) begin(now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due, b.next = true, now
}

// why of the last failure, until one succeeds.
func (b *breaker) why() (state, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state(), b.reason
}

// try takes the one request of a breaker that is half open.
func (b *breaker) try(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state() != halfOpen || now < b.next {
		return false
	}
	b.now.Store(int32(trying))
	return true
}

// success of a request.
func (b *breaker) success(now time.Duration) {
	if b.state() == closed && b.failures.Load() == 0 && b.proven.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proven.Store(true)
	if b.state() == open { // it was sent before, and says no more than that something answers
		b.halve(now)
		return
	}
	b.failures.Store(0)
	b.pause, b.reason = 0, ""
	b.now.Store(int32(closed))
}

// undecided ends a try that has decided nothing, as it was cancelled. The next one has to wait: a replica that hangs would
// otherwise get one request after the other.
func (b *breaker) undecided(now time.Duration) {
	if b.state() != trying {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state() == trying {
		b.now.Store(int32(halfOpen))
		b.next = now + b.pause
	}
}

// failure of a request. It tells whether the breaker is open because of it.
func (b *breaker) failure(now time.Duration, c config.Breaker, why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reason = why
	switch b.state() {
	case closed:
		if int(b.failures.Add(1)) < c.Failures {
			b.again(now, c)
			return false
		}
		b.open(now, c.Probe.Std())
	case trying:
		b.open(now, b.doubled(c))
	default: // it was sent before the breaker opened
		return false
	}
	return true
}

// again there should be a probe, if none is due: now, or a pause after the last, as requests may fail often.
func (b *breaker) again(now time.Duration, c config.Breaker) {
	if b.due {
		return
	}
	b.due, b.next = true, now
	if b.answered > 0 {
		b.next = max(now, b.answered+c.Probe.Std())
	}
}

func (b *breaker) doubled(c config.Breaker) time.Duration {
	return min(max(2*b.pause, c.Probe.Std()), c.ProbeMax.Std())
}

func (b *breaker) open(now, pause time.Duration) {
	b.pause, b.due, b.next = pause, true, now+pause
	b.now.Store(int32(open))
}

func (b *breaker) halve(now time.Duration) {
	b.due, b.next = false, now
	b.now.Store(int32(halfOpen))
}

// probe tells whether it is time for one, which is then the caller's to make. If not, next is when that will be; due says
// whether at all.
func (b *breaker) probe(now time.Duration) (mine, due bool, next time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.due || b.probing {
		return false, false, 0
	}
	if now < b.next {
		return false, true, b.next
	}
	b.due, b.probing = false, true
	return true, false, 0
}

// probed notes how a probe ended; why is empty for a success. It tells whether the state has changed.
func (b *breaker) probed(now time.Duration, c config.Breaker, why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing, b.answered = false, now
	switch was := b.state(); {
	case was == trying, was == halfOpen: // requests know better
		return false
	case was == open && why == "":
		b.halve(now)
		return true
	case was == open:
		b.reason = why
		b.open(now, b.doubled(c))
		return false
	case why == "", b.proven.Load() && b.failures.Load() == 0: // or a request has succeeded meanwhile
		b.due = false
		return false
	case b.proven.Load() && int(b.failures.Add(1)) < c.Failures:
		b.reason = why
		b.again(now, c)
		return false
	}
	b.reason = why
	b.open(now, c.Probe.Std())
	return true
}
