package raft

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// A server of a configuration.
type server struct {
	ID      string `json:"id"`
	Address string `json:"address"`
}

// A state is what a server says of itself.
type state struct {
	identity
	Address string `json:"address"`
	// Leader of the log, as far as it knows.
	Leader string `json:"leader,omitempty"`
	// Voters of the latest configuration that it knows, and the last entry of the log that it has, and has applied.
	Voters    []string `json:"voters,omitempty"`
	LastIndex uint64   `json:"last_index,omitempty"`
	Applied   uint64   `json:"applied,omitempty"`
	// Quiet: it would give up what it has.
	Quiet bool `json:"quiet,omitempty"`
}

// A peer is a server that has answered.
type peer struct {
	state
	at string
}

const (
	// Pauses between rounds in which all are asked who they are: of the leader of the log, of those who follow one, and of those who have
	// none.
	leaderPause   = time.Second
	followerPause = 3 * time.Second
	lonelyPause   = 250 * time.Millisecond
	// enough is how few entries may lack when a server gets its vote.
	enough = 64
)

// state of this server.
func (s *Store) state() state {
	s.mu.Lock()
	n, me, good := s.node, s.me, s.good
	s.mu.Unlock()
	is := state{identity: me, Address: s.Advertise, Quiet: true}
	if n == nil {
		// Who has a log, but has not asked around yet, may be needed.
		is.Quiet = me.Cluster.ID == "" || time.Since(good) >= s.Lease
		return is
	}
	is.Leader, is.LastIndex, is.Applied = n.leader(), n.raft.LastIndex(), n.raft.AppliedIndex()
	is.Quiet = is.Leader == "" && time.Since(good) >= s.Lease
	for _, one := range n.servers() {
		if one.Suffrage == hraft.Voter {
			is.Voters = append(is.Voters, string(one.ID))
		}
	}
	return is
}

// ServerAddr is where a server was met last, which is more than what it had said once. So the configuration is not changed when an
// address is: what it has is of use only for servers that nobody has met.
func (s *Store) ServerAddr(id hraft.ServerID) (hraft.ServerAddress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(id) == s.me.ID {
		return full(s.me.ID, s.Advertise), nil
	}
	if p, met := s.found[string(id)]; met {
		return full(p.ID, p.at), nil
	}
	return "", fmt.Errorf("nobody has met the server %s since this one started", id)
}

// members are looked after until the context ends.
func (s *Store) members(ctx context.Context) error {
	for ctx.Err() == nil {
		answered := s.meet(ctx)
		pause, err := s.tend(ctx, answered)
		if err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
			// Changes come in crowds.
			timer.Reset(lonelyPause / 5)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		}
		timer.Stop()
	}
	return nil
}

// meet all that are listed.
func (s *Store) meet(ctx context.Context) (answered []peer) {
	s.mu.Lock()
	listed := s.listed
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	var mu sync.Mutex
	failed := map[string]string{}
	var group sync.WaitGroup
	for _, at := range listed {
		group.Go(func() {
			out, err := s.call(ctx, at, request{Method: methodHello})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[at] = err.Error()
				return
			}
			answered = append(answered, peer{state: out.State, at: at})
		})
	}
	group.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{s.me.ID: true}
	var all []peer
	for _, p := range answered {
		if !seen[p.ID] { // one that has several addresses is still one
			seen[p.ID] = true
			all = append(all, p)
		}
		for id, old := range s.found {
			if old.at == p.at && id != p.ID {
				delete(s.found, id)
			}
		}
		if p.ID != s.me.ID {
			s.found[p.ID] = p
		}
	}
	for at, why := range failed {
		if s.failed[at] == "" {
			s.Log.Info("an elector is not reached", "address", at, "error", why)
		}
	}
	for at := range s.failed {
		if failed[at] == "" && s.failed[at] != "" {
			s.Log.Info("an elector is reached again, or is not listed any more", "address", at)
		}
	}
	s.failed, s.slots = failed, map[int]bool{s.Slot: true}
	for _, p := range all {
		s.slots[p.Slot] = true
	}
	for id := range s.found {
		if !seen[id] && len(s.found) > 4*s.Size {
			delete(s.found, id) // it was long ago
		}
	}
	return all
}

// tend to what follows from who is there, and give the pause until the next time.
func (s *Store) tend(ctx context.Context, answered []peer) (time.Duration, error) {
	s.mu.Lock()
	n, me, listed := s.node, s.me, s.listed != nil
	s.mu.Unlock()
	for _, p := range answered {
		if me.Cluster.ID != "" && p.Cluster.Generation > me.Cluster.Generation {
			err := s.giveUp(me, fmt.Sprintf("slot %d is in a newer cluster", p.Slot))
			return lonelyPause, err
		}
	}
	if n == nil && me.Cluster.ID != "" && listed { // it has asked around
		return lonelyPause, s.resume()
	}
	if n != nil && n.leader() != "" {
		s.mu.Lock()
		s.good = time.Now()
		s.mu.Unlock()
		if n.raft.State() != hraft.Leader {
			if !votes(n.servers(), n.ID) {
				return lonelyPause, nil
			}
			return followerPause, nil
		}
		if s.replace(ctx, n, answered) {
			return lonelyPause, nil
		}
		return leaderPause, nil
	}
	if s.Slot == 0 {
		if err := s.propose(ctx, answered); err != nil {
			s.Log.Debug("no cluster was founded", "error", err.Error())
		}
	}
	return lonelyPause, nil
}

func votes(servers []hraft.Server, id string) bool {
	for _, one := range servers {
		if string(one.ID) == id {
			return one.Suffrage == hraft.Voter
		}
	}
	return false
}

// replace servers that have lost their slots by those that have them now. It tells whether there is more to do soon.
func (s *Store) replace(ctx context.Context, n *node, answered []peer) (more bool) {
	if err := await(ctx, n.raft.VerifyLeader()); err != nil {
		return true // somebody else is to do it
	}
	holders := map[int][]peer{n.Slot: {{state: s.state()}}}
	for _, p := range answered {
		if p.Slot >= 0 && p.Slot < s.Size && p.Slot != n.Slot {
			holders[p.Slot] = append(holders[p.Slot], p)
		}
	}
	for _, one := range n.servers() {
		slot := slotOf(string(one.ID))
		if slot < s.Size || slices.ContainsFunc(answered, func(p peer) bool { return p.Slot == slot }) {
			continue
		}
		if err := await(ctx, n.raft.RemoveServer(one.ID, 0, applyPatience)); err != nil {
			s.Log.Warn("a server of a slot that there is no more was not removed", "server", string(one.ID), "error", err.Error())
		}
	}
	for slot, there := range holders {
		if len(there) != 1 {
			s.Log.Warn("there are two electors of one slot: one of them has to end before the other is let in", "slot", slot)
			continue
		}
		again, err := s.admit(ctx, n, there[0])
		if err != nil {
			s.Log.Warn("an elector was not let in", "slot", slot, "server", there[0].ID, "error", err.Error())
		}
		more = more || again || err != nil
	}
	return more
}

// admit a server to its slot, one step at a time.
func (s *Store) admit(ctx context.Context, n *node, p peer) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, applyPatience)
	defer cancel()
	id, at := hraft.ServerID(p.ID), full(p.ID, p.Address)
	if p.Cluster != n.Cluster {
		out, err := s.call(ctx, p.at, request{Method: methodJoin, Cluster: n.Cluster})
		if err == nil && out.Error != "" {
			err = fmt.Errorf("it refuses: %s", out.Error)
		}
		s.look() // it may have another ID now
		return true, err
	}
	var is *hraft.Server
	var before []hraft.ServerID
	for _, one := range n.servers() {
		if one.ID == id {
			is = &one
		} else if slotOf(string(one.ID)) == p.Slot {
			before = append(before, one.ID)
		}
	}
	switch {
	case is == nil:
		s.Log.Info("an elector is new: it is let in as soon as it has caught up", "slot", p.Slot, "server", p.ID)
		return true, await(ctx, n.raft.AddNonvoter(id, at, 0, applyPatience))
	case is.Suffrage == hraft.Voter && len(before) == 0:
		return false, nil
	case is.Suffrage != hraft.Voter && (p.Applied == 0 || p.Leader != n.ID || p.Applied+enough < n.raft.CommitIndex()):
		return true, nil // it has not caught up
	}
	for _, old := range before {
		if err := await(ctx, n.raft.RemoveServer(old, 0, applyPatience)); err != nil {
			return true, err
		}
		s.Log.Info("an elector has lost its slot to another one", "slot", p.Slot, "server", string(old))
	}
	return true, await(ctx, n.raft.AddVoter(id, at, 0, applyPatience))
}
