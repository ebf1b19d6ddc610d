package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// patience with what should happen.
const patience = 90 * time.Second

// look so often at what is not told.
const look = 20 * time.Millisecond

// A contender is a program that takes part in an election.
type contender interface {
	// start it, in one of its lives.
	start(life int) (*process, error)
	// follow a process until it ends, and tell when it leads and when it does no more.
	follow(p *process, tell func(leads bool))
	// settled tells whether it can be the next one, and knows who leads now.
	settled(leader contender) bool
}

// A member of an electorate lives again and again.
type member struct {
	contender
	*process
	life int
}

// A turn is one's time as the leader.
type turn struct {
	who      int
	from, to time.Time // to is zero while it lasts
}

// An electorate is what takes part in one election.
type electorate struct {
	name    string
	members []*member
	// retry is how long it is between renewals.
	retry time.Duration

	mu      sync.Mutex
	turns   []turn
	changed chan struct{}
}

func newElectorate(name string, retry time.Duration, contenders ...contender) (*electorate, error) {
	e := &electorate{name: name, retry: retry, changed: make(chan struct{})}
	for _, c := range contenders {
		e.members = append(e.members, &member{contender: c})
	}
	for i := range e.members {
		if err := e.start(i); err != nil {
			e.end()
			return nil, err
		}
	}
	return e, nil
}

// start a member's next life.
func (e *electorate) start(i int) (err error) {
	m := e.members[i]
	m.life++
	if m.process, err = m.contender.start(m.life); err != nil {
		return err
	}
	go m.follow(m.process, func(leads bool) { e.tell(i, leads, time.Now()) })
	return nil
}

func (e *electorate) end() {
	for _, m := range e.members {
		if m.process != nil {
			m.kill()
		}
	}
}

// tell that a member leads, or does no more.
func (e *electorate) tell(who int, leads bool, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if leads {
		e.turns = append(e.turns, turn{who: who, from: at})
	} else {
		for i := len(e.turns) - 1; i >= 0; i-- {
			if t := &e.turns[i]; t.who == who {
				if t.to.IsZero() {
					t.to = at
				}
				break
			}
		}
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// await what holds of the turns. The caller holds no lock; holds is called with it.
func (e *electorate) await(what string, holds func() bool) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		e.mu.Lock()
		ok, changed := holds(), e.changed
		e.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return fmt.Errorf("%s: %s has not come after %s: %s", e.name, what, patience, e.tails())
		}
	}
}

func (e *electorate) tails() (text string) {
	for i, m := range e.members {
		text += fmt.Sprintf("\n%d: %s", i, m.tail())
	}
	return text
}

// settle until one leads, all know who, and some time between two renewals has passed.
func (e *electorate) settle() error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		leader := -1
		e.mu.Lock()
		if n := len(e.turns); n > 0 {
			if last := e.turns[n-1]; last.to.IsZero() {
				leader = last.who
			}
		}
		e.mu.Unlock()
		settled := leader >= 0
		for _, m := range e.members {
			settled = settled && m.settled(e.members[leader].contender)
		}
		if settled {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s has not settled after %s: %s", e.name, patience, e.tails())
		}
	}
	<-time.After(e.retry/10 + rand.N(e.retry)) //nolint:gosec // no secret
	return nil
}

// A change of leaders: how long it took from the call, and how long nobody led.
type change struct{ call, silence time.Duration }

var errSame = errors.New("the same one leads again")

// replace the leader by what makes it end its turn.
func (e *electorate) replace(how func(leader int) error) (change, error) {
	for {
		if err := e.settle(); err != nil {
			return change{}, err
		}
		e.mu.Lock()
		n := len(e.turns)
		was := e.turns[n-1]
		e.mu.Unlock()
		if !was.to.IsZero() {
			continue // it has changed by itself
		}
		begun := time.Now()
		if err := how(was.who); err != nil {
			return change{}, fmt.Errorf("%s: %w", e.name, err)
		}
		var next turn
		if err := e.await("the next leader", func() bool {
			if len(e.turns) <= n || e.turns[n-1].to.IsZero() {
				return false
			}
			was, next = e.turns[n-1], e.turns[n]
			return true
		}); err != nil {
			return change{}, err
		}
		if next.who == was.who {
			return change{}, fmt.Errorf("%s: %w", e.name, errSame)
		}
		return change{call: next.from.Sub(begun), silence: max(0, next.from.Sub(was.to))}, nil
	}
}

// again starts one that has ended, or is about to.
func (e *electorate) again(i int) error {
	m := e.members[i]
	select {
	case <-m.ended:
	case <-time.After(patience):
		return fmt.Errorf("%s: it does not end: %s", e.name, m.tail())
	}
	return e.start(i)
}
