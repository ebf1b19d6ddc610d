package relay

import (
	"context"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// bonds are the connections to the leader of one election, each of which holds for a term.
type bonds struct {
	elections Elections
	election  string

	mu     sync.Mutex
	open   map[*pair]bond
	closed bool
}

type bond struct {
	term uint64
	own  bool // to the application beside this elector; otherwise to another elector
}

// addOwn adds a connection to the application beside this elector, if this one leads right now: it is under the lock that cut takes, so none is
// added after that which did not see the end of a term.
func (b *bonds) addOwn(p *pair) (term uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status()
	if !s.Self || b.closed {
		return 0, false
	}
	b.open[p] = bond{s.Term, true}
	return s.Term, true
}

// addOther adds a connection to the elector that leads in a term, if no later one is known.
func (b *bonds) addOther(p *pair, term uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status().Term > term || b.closed {
		return false
	}
	b.open[p] = bond{term: term}
	return true
}

func (b *bonds) remove(p *pair) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, p)
}

// cut connections.
func (b *bonds) cut(which func(bond) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cutLocked(which)
}

func (b *bonds) cutLocked(which func(bond) bool) {
	for p, is := range b.open {
		if which(is) {
			p.cut()
		}
	}
}

// cutLate ones, whose terms are over, and tell how it is. It is asked for under the lock: what was asked for before could cut those of a
// term that has begun since.
func (b *bonds) cutLate() election.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status()
	b.cutLocked(func(is bond) bool {
		if is.own {
			return s.Term != is.term || !s.Self && !s.Leaving
		}
		return s.Term > is.term
	})
	return s
}

// close cuts all, and there will be no more.
func (b *bonds) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cut(func(bond) bool { return true })
}

func (b *bonds) status() election.Status {
	s, _ := b.elections.Status(b.election) // the settings name none that there is not
	return s
}

// A leader looks so often whether it is still one, although it knows when it will not be: what is waited for by the machine's timers
// is late if it has slept. One that leaves looks more often.
const (
	lookLeading = 100 * time.Millisecond
	lookLeaving = 10 * time.Millisecond
)

// watch for the ends of terms, which may come without a word from anybody.
func (b *bonds) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed, _ := b.elections.Changed()
		s := b.cutLate()
		look := time.Hour
		switch {
		case s.Self:
			look = min(s.ExpiresIn+time.Millisecond, lookLeading)
		case s.Leaving:
			look = lookLeaving
		}
		timer.Reset(look)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
	}
}
