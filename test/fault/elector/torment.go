package elector

import (
	"context"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// Fault is something that goes wrong with an elector.
type Fault string

// The faults. Whoever begins again has a clock that goes at another rate.
const (
	Stop       Fault = "stopped"
	Kill       Fault = "killed"
	End        Fault = "ended"
	Cut        Fault = "cut off"
	Hold       Fault = "held up"
	HoldAsked  Fault = "requests held up"
	HoldAnswer Fault = "answers held up"
	LoseAnswer Fault = "answers lost"
	Slow       Fault = "slowed down"
	Resigning  Fault = "cut off while it resigns"
	// Forget is for those that have a folder of their own, one of them at a time.
	Forget Fault = "killed and its folder lost"
)

// Faults are those that all may have.
var Faults = []Fault{Stop, Stop, Kill, End, Cut, Hold, HoldAsked, HoldAnswer, LoseAnswer, Slow, Resigning}

// remembering takes so long at most, when a folder was lost: the elector that has lost it is let in again.
const remembering = 4 * time.Second

// torment one elector until the context ends, and leave it well.
func (r *rig) torment(ctx context.Context, e *elector, random *rand.Rand) {
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	lease := r.plan.Lease.Duration.Std()
	var deck []Fault // shuffled, so that none waits for long
	for {
		pause(ctx, lease/2+upTo(2*r.plan.Calm-lease))
		for r.plan.Leaders && !r.leads.any(e) && ctx.Err() == nil {
			pause(ctx, 10*time.Millisecond)
		}
		if ctx.Err() != nil {
			return
		}
		if e.over() {
			r.strange("%s has ended by itself: %s", memberName(e.number), e.tail())
		}
		if len(deck) == 0 {
			deck = append(deck, r.plan.Faults...)
			random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		fault, lasts := deck[0], r.plan.Shortest+upTo(2*lease-r.plan.Shortest)
		deck = deck[1:]
		r.log("%s is %s for %s", memberName(e.number), fault, lasts.Round(time.Millisecond))
		if r.do(ctx, e, fault, lasts, random) {
			r.mu.Lock()
			r.report.Faults[fault]++
			r.mu.Unlock()
		}
	}
}

func (r *rig) do(ctx context.Context, e *elector, fault Fault, lasts time.Duration, random *rand.Rand) bool {
	each := func(do func(*Link)) {
		for _, l := range e.links {
			do(l)
		}
	}
	begin := func() bool {
		if err := r.start(e, random); err != nil {
			r.strange("%v", err)
			return false
		}
		return true
	}
	switch fault {
	case Stop:
		e.signal(syscall.SIGSTOP)
		pause(ctx, lasts)
		e.signal(syscall.SIGCONT)
		return true
	case Kill:
		e.kill()
		pause(ctx, lasts/2)
		return begin()
	case Forget:
		if !r.forgetting.TryLock() {
			return false
		}
		time.AfterFunc(remembering, r.forgetting.Unlock)
		e.kill()
		if err := os.RemoveAll(e.folder); err != nil {
			r.strange("%v", err)
		}
		return begin()
	case End:
		e.end(lasts + r.plan.Lease.Duration.Std())
		return begin()
	case Cut:
		each((*Link).Cut)
	case Hold:
		each(func(l *Link) { l.Hold(true, true) })
	case HoldAsked:
		each(func(l *Link) { l.Hold(true, false) })
	case HoldAnswer, LoseAnswer:
		each(func(l *Link) { l.Hold(false, true) })
	case Resigning:
		if !r.resigning(ctx, e, random) {
			return false
		}
		each((*Link).Cut)
		lasts /= 4 // it goes on while its lease lasts
	case Slow:
		each(func(l *Link) { l.Delay(lasts / 8) })
	}
	pause(ctx, lasts)
	if fault == LoseAnswer {
		each((*Link).Lose)
	}
	each((*Link).Heal)
	return true
}

// resigning has an elector give a seat to another one, and comes back while it is at it; false if it leads nothing.
func (r *rig) resigning(ctx context.Context, e *elector, random *rand.Rand) bool {
	for _, i := range random.Perm(len(r.elections)) {
		if election := r.elections[i]; r.leads.of(election) == e {
			to := memberName(random.IntN(len(r.electors)))
			go func() { _ = resign(ctx, e, election, to, r.plan.Lease.Duration.Std()) }() // it is not to know
			pause(ctx, time.Duration(random.Int64N(int64(12*time.Millisecond))))
			return true
		}
	}
	return false
}

// start an elector with another clock.
func (r *rig) start(e *elector, random *rand.Rand) error {
	rate := 1 + r.plan.Skew*[]float64{-1, 1, 2*random.Float64() - 1}[random.IntN(3)]
	r.log("%s begins with a clock that goes %.3f times as fast", memberName(e.number), rate)
	return e.start(rate, r.plan.Env...)
}

// hand asks leaders to resign until the context ends, half of them in favour of another one.
func (r *rig) hand(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		pause(ctx, time.Duration(random.Int64N(int64(2*r.plan.Resign))))
		election := r.elections[random.IntN(len(r.elections))]
		to := ""
		if random.IntN(2) == 0 {
			to = memberName(random.IntN(len(r.electors)))
		}
		e := r.leads.of(election)
		if e == nil {
			continue
		}
		if resign(ctx, e, election, to, r.plan.Lease.Duration.Std()) == nil {
			r.mu.Lock()
			if to == "" {
				r.report.Resigned++
			} else {
				r.report.HandedOver++
			}
			r.mu.Unlock()
		}
	}
}
