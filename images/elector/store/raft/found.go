package raft

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// A promise to be in no cluster but one, which is about to be founded.
type promise struct {
	cluster cluster
	until   time.Time
}

const (
	promiseTime = 5 * time.Second
	// gap is how far a generation is beyond the last one where the clock is behind that: more than there were terms. It is half a
	// second, no more than the silence that a rescue waits for, so that by a clock that goes forward no generation is ahead of it:
	// whoever begins with nothing left goes by the clock alone.
	gap = 1 << 19
)

// generation that follows others.
func generation(now time.Time, last uint64) uint64 {
	is := store.GenerationAt(now)
	if last > 0 {
		is = max(is, last+gap)
	}
	return is
}

// propose a new cluster, if servers of all slots are there, and no other cluster can have a leader.
func (s *Store) propose(ctx context.Context, answered []peer) error {
	all := append(slices.Clone(answered), peer{state: s.state()})
	slots := map[int]peer{}
	last := uint64(0)
	for _, p := range all {
		if _, twice := slots[p.Slot]; twice {
			return fmt.Errorf("there are two electors of slot %d", p.Slot)
		}
		slots[p.Slot] = p
		last = max(last, p.Cluster.Generation)
		if p.Leader != "" {
			return fmt.Errorf("slot %d says that %s leads", p.Slot, p.Leader)
		}
		if !p.Quiet {
			return fmt.Errorf("slot %d has heard of a leader too shortly ago", p.Slot)
		}
	}
	for slot := range s.Size {
		if _, there := slots[slot]; !there {
			return fmt.Errorf("nobody answers for slot %d", slot)
		}
	}
	if len(slots) != s.Size {
		return fmt.Errorf("there are electors of %d slots, and size is %d", len(slots), s.Size)
	}
	if elects(all) {
		return errors.New("those that are there can elect a leader by the configuration that they have")
	}
	next := cluster{ID: rand.Text()[:16], Generation: generation(time.Now(), last)}
	servers, err := s.collect(ctx, next, answered)
	if err != nil {
		return err
	}
	s.Log.Info("all electors are there and agree: a new cluster is founded", "cluster", next.ID, "generation", next.Generation, "rescue", last > 0)
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	var group sync.WaitGroup
	for _, p := range answered {
		group.Go(func() {
			out, err := s.call(ctx, p.at, request{Method: methodFound, Cluster: next, Servers: servers})
			if err == nil && out.Error != "" {
				err = errors.New(out.Error)
			}
			if err != nil {
				s.Log.Warn("an elector did not take the first configuration", "slot", p.Slot, "error", err.Error())
			}
		})
	}
	group.Wait()
	return s.begin(next, servers)
}

// elects tells whether those of a cluster that are there are enough to elect a leader, by the configuration of the one that knows most.
func elects(all []peer) bool {
	best, live := map[string]peer{}, map[[2]string]bool{}
	for _, p := range all {
		if p.Cluster.ID == "" {
			continue
		}
		live[[2]string{p.Cluster.ID, p.ID}] = true
		if was, there := best[p.Cluster.ID]; !there || p.LastIndex > was.LastIndex {
			best[p.Cluster.ID] = p
		}
	}
	for _, p := range best {
		votes := 0
		for _, id := range p.Voters {
			if live[[2]string{p.Cluster.ID, id}] {
				votes++
			}
		}
		if 2*votes > len(p.Voters) {
			return true
		}
	}
	return false
}

// collect a promise of each, its own last.
func (s *Store) collect(ctx context.Context, next cluster, answered []peer) (servers []server, err error) {
	ctx, cancel := context.WithTimeout(ctx, promiseTime/2)
	defer cancel()
	for _, p := range answered {
		out, err := s.call(ctx, p.at, request{Method: methodPromise, Cluster: next})
		if err == nil && out.Error != "" {
			err = errors.New(out.Error)
		}
		if err == nil && out.State.Slot != p.Slot {
			err = fmt.Errorf("it is of slot %d now", out.State.Slot)
		}
		if err != nil {
			return nil, fmt.Errorf("slot %d does not promise: %w", p.Slot, err)
		}
		servers = append(servers, server{ID: out.State.ID, Address: out.State.Address})
	}
	if err := s.promise(next); err != nil {
		return nil, err
	}
	own := s.state()
	return append(servers, server{ID: own.ID, Address: own.Address}), nil
}

// promise to be in no cluster but this one. What the server was before is given up first.
func (s *Store) promise(next cluster) error {
	s.life.Lock()
	defer s.life.Unlock()
	is := s.state()
	s.mu.Lock()
	was := s.promised
	s.mu.Unlock()
	switch {
	case next.ID == "" || next.Generation <= is.Cluster.Generation:
		return errors.New("it is in a newer cluster")
	case !is.Quiet:
		return errors.New("it has heard of a leader too shortly ago")
	case next.Generation < was.cluster.Generation:
		return errors.New("it has promised to be in a newer cluster")
	}
	if is.Cluster.ID != "" {
		if err := s.surrender("all electors are there, too few of them have what was agreed on, and a new cluster is to be founded"); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errEnding
	}
	s.promised = promise{cluster: next, until: time.Now().Add(promiseTime)}
	return nil
}

var errEnding = errors.New("this elector is ending")

// begin to be a server of the cluster that was promised.
func (s *Store) begin(is cluster, servers []server) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	promised, me := s.promised, s.me
	s.mu.Unlock()
	if promised.cluster != is || time.Now().After(promised.until) || me.Cluster.ID != "" {
		return errors.New("it has not promised to be in this cluster, or too long ago")
	}
	if !slices.ContainsFunc(servers, func(one server) bool { return one.ID == me.ID }) {
		return errors.New("it is not in the configuration")
	}
	slices.SortFunc(servers, func(a, b server) int { return slotOf(a.ID) - slotOf(b.ID) })
	return s.enter(is, servers)
}

// join a cluster that has a leader, as it says itself. What the server was in an older one is given up.
func (s *Store) join(is cluster) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	promised, me := s.promised, s.me
	s.mu.Unlock()
	switch {
	case me.Cluster == is:
		return nil
	case time.Now().Before(promised.until):
		return errors.New("it has promised to be in another cluster")
	case is.ID == "" || me.Cluster.Generation >= is.Generation:
		return errors.New("it is in a newer cluster")
	case me.Cluster.ID != "":
		if err := s.surrender("there is a newer cluster, which has a leader"); err != nil {
			return err
		}
	}
	return s.enter(is, nil)
}

// enter a cluster. The caller holds life.
func (s *Store) enter(is cluster, servers []server) error {
	s.mu.Lock()
	me, closed := s.me, s.closed
	s.mu.Unlock()
	if closed {
		return errEnding
	}
	me.Cluster = is
	if err := s.folder.save(me); err != nil {
		return err
	}
	s.mu.Lock()
	s.me = me
	s.mu.Unlock()
	return s.launch(me, servers)
}

// launch the node. The caller holds life.
func (s *Store) launch(me identity, servers []server) error {
	n, err := s.start(me, servers)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.node, s.promised = n, promise{}
	s.mu.Unlock()
	s.notify()
	s.look()
	return nil
}

// resume as the server that the folder remembers.
func (s *Store) resume() error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	me, n := s.me, s.node
	s.mu.Unlock()
	if n != nil || me.Cluster.ID == "" {
		return nil // it has been asked for something else meanwhile
	}
	if there, err := s.folder.hasLog(me.Cluster); err != nil {
		return err
	} else if !there {
		return s.surrender("the folder holds no log any more, and so not what this server has voted for")
	}
	return s.launch(me, nil)
}

// giveUp what the server is, if it still is that.
func (s *Store) giveUp(is identity, why string) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	same := s.me == is
	s.mu.Unlock()
	if !same {
		return nil
	}
	return s.surrender(why)
}

// surrender all that the server is, its ID among it. The caller holds life.
func (s *Store) surrender(why string) error {
	s.mu.Lock()
	n, was := s.node, s.me
	s.node = nil
	s.mu.Unlock()
	s.Log.Warn("this elector gives up the table that it has", "reason", why, "cluster", was.Cluster.ID, "server", was.ID)
	if n != nil {
		if err := n.stop(); err != nil {
			s.Log.Warn("raft did not stop well", "error", err.Error())
		}
	}
	is, err := s.folder.renew(s.Slot)
	if err != nil {
		return fmt.Errorf("give up the table: %w", err)
	}
	s.mu.Lock()
	s.me = is
	s.mu.Unlock()
	s.notify()
	if err := s.folder.sweep(is.Cluster); err != nil {
		s.Log.Warn("the next start tries again", "error", err.Error())
	}
	return nil
}
