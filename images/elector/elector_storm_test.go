//go:build !engine

package main_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/raft"
)

// stormTime is how long faults happen at random.
const stormTime = 15 * time.Second

var stormLease = election.Lease{Duration: time.Second, RenewDeadline: 750 * time.Millisecond, RetryPeriod: 150 * time.Millisecond}

// storm is an instance in this process, so that who leads can be seen of all at about the same moment.
type storm struct {
	*instance
	mu     sync.Mutex
	agents [size]*election.Agent
	stops  [size]func()
	most   uint64            // the greatest term that anybody led in
	member map[uint64]string // who led in a term
	faults []string
}

func (s *storm) start(i int) {
	r := s.backend(i).Raft
	table, err := raft.Open(raft.Options{
		Listen: r.Listen, Advertise: r.Advertise, Slot: i, Size: size, Peers: r.Peers, Folder: r.DataDir, Lease: stormLease.Duration, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(s.t, err)
	s.lives++
	agent := election.New(election.Options{
		Store: table, Clock: election.System(), Member: fmt.Sprintf("slot-%d-life-%d", i, s.lives), Slots: 8, Lease: stormLease, Elections: []string{"one"},
		Auto: true, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(s.t, table.Run(ctx)) })
	running.Go(func() { agent.Run(ctx) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[i], s.stops[i] = agent, func() { cancel(); running.Wait() }
}

// kill an elector: it hands over nothing.
func (s *storm) kill(i int) {
	s.mu.Lock()
	stop := s.stops[i]
	s.agents[i], s.stops[i] = nil, nil
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// look at who leads.
func (s *storm) look() (leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now []string
	for _, a := range s.agents {
		if a == nil {
			continue
		}
		is, err := a.Status("one")
		if err != nil || !is.Self {
			continue
		}
		now = append(now, fmt.Sprint(a.Member, " in ", is.Term))
		if is.Term < s.most {
			s.faults = append(s.faults, fmt.Sprintf("%s leads in %d after somebody led in %d", a.Member, is.Term, s.most))
		}
		if was := s.member[is.Term]; was != "" && was != a.Member {
			s.faults = append(s.faults, fmt.Sprintf("%s and %s led in the term %d", was, a.Member, is.Term))
		}
		s.most, s.member[is.Term] = max(s.most, is.Term), a.Member
	}
	if len(now) > 1 {
		s.faults = append(s.faults, fmt.Sprint("at once: ", now))
	}
	return len(now) == 1
}

// leader is the slot whose elector says that it leads.
func (s *storm) leader() (slot int, one bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.agents {
		if a == nil {
			continue
		}
		if is, err := a.Status("one"); err == nil && is.Self {
			return i, true
		}
	}
	return 0, false
}

// pause for some of the time.
func (s *storm) pause(most time.Duration) {
	select {
	case <-s.t.Context().Done():
	case <-time.After(rand.N(most)):
	}
}

func TestAtMostOneLeadsInAStorm(t *testing.T) {
	s := &storm{instance: newInstance(t), member: map[uint64]string{}}
	for i := range size {
		s.start(i)
	}
	t.Cleanup(func() {
		for i := range size {
			s.kill(i)
		}
	})
	looking, end := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for looking.Err() == nil {
			<-tick.C
			s.look()
		}
	})
	var told []string
	for begun := time.Now(); time.Since(begun) < stormTime; s.pause(2 * time.Second) {
		first := rand.IntN(size)
		if len(told)%2 == 0 { // else none may happen to be hit while it leads
			if leader, one := s.leader(); one {
				first = leader
			}
		}
		second := (first + 1 + rand.IntN(size-1)) % size
		what := rand.IntN(6)
		told = append(told, fmt.Sprintf("%s: %d of %d and %d", time.Since(begun).Round(time.Millisecond), what, first, second))
		switch what {
		case 0, 1:
			s.isolate(first, true)
			s.pause(3 * time.Second)
			s.isolate(first, false)
		case 2:
			s.kill(first)
			s.pause(2 * time.Second)
			s.start(first)
		case 3:
			s.kill(first)
			s.lose(first)
			s.start(first)
		case 4: // the others know nothing of it for a while
			s.isolate(first, true)
			s.kill(first)
			s.lose(first)
			s.start(first)
			s.pause(2 * time.Second)
			s.isolate(first, false)
		case 5:
			s.kill(first)
			s.kill(second)
			s.lose(first)
			if rand.IntN(2) == 0 {
				s.lose(second)
			}
			s.start(first)
			s.pause(time.Second)
			s.start(second)
		}
	}
	require.Eventually(t, func() bool {
		leader, one := s.leader()
		if one {
			s.kill(leader)
		}
		return one
	}, within, tick, "one leads when it is over")
	require.Eventually(t, s.look, within, tick, "another leads after it")
	end()
	group.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Empty(t, s.faults, "after %v", told)
	assert.Greater(t, len(s.member), 1, "terms")
	t.Log(len(told), " faults, ", len(s.member), " terms")
}
