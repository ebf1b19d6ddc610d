// Package raft is a store of records that the electors replicate among themselves, by the log of github.com/hashicorp/raft. It needs
// nothing of the cluster that it runs on, and follows a server that dies within a second.
//
// # Slots and servers
//
// There are as many slots as electors (3, 5, 7 or 9), and each elector has one. The orchestrator has to see to it that at most one
// process at a time has a slot, as stateful sets do, and groups of Nomad that do not replace an allocation whose client is cut off
// before it has stopped (disconnect). The rescue below rests on that, and nothing else does: a server that was replaced while it lived
// has no vote any more. Electors have to find each other before they are ready, so names in the file of peers must resolve to those
// that are not (publishNotReadyAddresses).
//
// More than half of the slots must live, and reach each other, for anything to be agreed on; a leader of the log that does not reach so
// many stops within 250 ms, before another one can have been elected.
//
// A server is what a slot's folder remembers: an ID of chance, which it gets when the folder is new, and the log with all that it has
// voted for and acknowledged. A process that finds the folder again goes on as the same server, whatever its address is now. One that
// does not is another server, because one that has forgotten its vote must not vote again: the leader of the log lets it catch up,
// removes the server that had the slot before, and gives the new one its vote. That takes a second or two, and the elector is not ready
// before, so that a rolling update may lose one folder after the other. (Remove first, then add: of the servers that live as many are
// needed as if it was the other way around, and no slot ever has two votes.)
//
// Everything is synced to the disk before it is acknowledged. It costs two syncs for each change, of which there are about as many as
// renewals; where the folder is in memory they cost nothing, and a loss of power costs the folder. To acknowledge what is not on the disk
// in a folder that remains would be amnesia of a server with an old ID, so there is no setting for it.
//
// # The first start, and the last resort
//
// As long as nobody is in a cluster, nobody makes one unless servers of all slots are there: the one of slot 0 asks each for a promise,
// and when it has all, gives them the configuration, with which they elect a leader. A server refuses a configuration that it has
// not promised to take, or longer ago than five seconds, or has promised to take a later one instead of.
//
// The same rescues electors that have lost more than half of their folders: when all slots are there and answer, those that have a
// configuration are too few to elect a leader by it, and none of them has heard of a leader, or had an answer from one, for the lease's
// duration, then slot 0 asks for promises. Who promises first gives up all that it has, and its ID with it. So when there is a new
// cluster, all slots have given up the old one: no other can have a leader, and what leaders of elections were granted has run out.
// As long as a slot is missing there is no rescue: it may have been cut off together with others, and lead.
//
// A new cluster begins with an empty table, and so without leaders of elections. Its generation is greater than all that is known: it is
// the microseconds since 2020, or 2^19 (half a second of them) more than the last one where the clock is behind that. Terms
// begin there, so they are greater than those that were lost, unless all folders were lost and the clock went back. They fit in 2^53.
//
// A server of an older generation that comes back (a node with its disk, say) gives up what it has as soon as it hears of a newer one,
// and asks around before it takes part. More than half of the folders that were lost should not come back at once, while the others
// are away: those who have them could not know that they are the past.
//
// # Connections
//
// All is on one port. With a secret (secret_file) both sides of a connection prove that they have it before anything else is said; what
// follows is not encrypted, so networks that cannot be trusted need a mesh or a tunnel below. Without one whoever reaches the port may
// change the table.
package raft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/discovery"
)

// lockPatience is how long the log may be locked by a process that is ending.
var lockPatience = &bbolt.Options{Timeout: 5 * time.Second, NoFreelistSync: true}

// leastLease is how long there is no rescue, at least: an election of raft may take that long.
const leastLease = 2 * time.Second

// Options of a Store.
type Options struct {
	// Listen is where other electors reach this one, and Advertise HOST:PORT that they reach it at.
	Listen, Advertise string
	// Slot of this elector, and Size, how many there are.
	Slot, Size int
	// Peers is a file that lists where they are.
	Peers string
	// Folder of this slot.
	Folder string
	// Secret that all have; nil for none.
	Secret []byte
	// Lease that applications rely on: nothing that was acknowledged is given up before it has run out.
	Lease time.Duration
	Log   *slog.Logger
}

// A Store is one elector's server. It does nothing before Run.
type Store struct {
	Options
	link     link
	folder   folder
	listener net.Listener
	wake     chan struct{} // there may be something to do among members

	// life is held by who changes what this server is.
	life sync.Mutex

	mu       sync.Mutex
	me       identity
	node     *node // nil while it is in no cluster, or has not asked around yet
	promised promise
	good     time.Time // when all was well last: there was a leader, or an answer from one
	listed   []string  // where electors are; nil before it is known
	found    map[string]peer
	failed   map[string]string // by address, why it could not be reached
	slots    map[int]bool      // of those who have answered last
	changed  chan struct{}     // closed at the next change
	closed   bool
}

var _ store.Store = (*Store)(nil)

// Open the folder and the port.
func Open(o Options) (*Store, error) {
	if o.Slot < 0 || o.Slot >= o.Size {
		return nil, fmt.Errorf("slot: must be from 0 to %d, got %d", o.Size-1, o.Slot)
	}
	o.Lease = max(o.Lease, leastLease)
	s := &Store{
		Options: o, link: link{o.Secret}, folder: folder(o.Folder), wake: make(chan struct{}, 1), good: time.Now(), changed: make(chan struct{}),
		found: map[string]peer{}, failed: map[string]string{},
	}
	var err error
	if s.me, err = s.folder.open(o.Slot); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listen for other electors: %w", err)
	}
	return s, nil
}

// Address that the others reach this server at, as the kernel has it.
func (s *Store) Address() string { return s.listener.Addr().String() }

// Run the server until the context ends.
func (s *Store) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { s.accept(ctx, &group) })
	group.Go(func() {
		discovery.New(discovery.Options{Log: s.Log}).File(ctx, s.Peers, func(addresses []string) {
			s.mu.Lock()
			s.listed = addresses
			s.mu.Unlock()
			s.look()
		})
	})
	err := s.members(ctx)
	cancel()
	s.listener.Close()
	group.Wait()
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	n := s.node
	s.node, s.closed = nil, true
	s.mu.Unlock()
	if n != nil {
		err = errors.Join(err, n.stop())
	}
	return err
}

// Transfer the lead of the log to another server, if this one has it.
func (s *Store) Transfer(ctx context.Context) error {
	n, _ := s.now()
	if n == nil || n.raft.State() != hraft.Leader {
		return nil
	}
	if err := await(ctx, n.raft.LeadershipTransfer()); err != nil && n.raft.State() == hraft.Leader {
		return fmt.Errorf("hand over the lead of the log: %w", err)
	}
	return nil
}

// now is the node as it is, and a channel that is closed when something changes.
func (s *Store) now() (*node, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node, s.changed
}

// notify who waits for changes.
func (s *Store) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// look at the members soon.
func (s *Store) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Get a record from the leader of the log.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	out, err := s.ask(ctx, request{Method: methodGet, Key: key})
	if err != nil {
		return store.Record{}, fmt.Errorf("get %s of the electors' table: %w", key, err)
	}
	return out.Record, nil
}

// Put a record by the leader of the log.
func (s *Store) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	out, err := s.ask(ctx, request{Method: methodPut, Put: newCommand(key, value, version)})
	switch {
	case err != nil:
		return "", fmt.Errorf("put %s of the electors' table: %w", key, err)
	case out.Conflict:
		return "", store.ErrConflict
	}
	return out.Record.Version, nil
}

// Watch what this server has applied.
func (s *Store) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	type state struct{ generation, index uint64 }
	told := map[string]state{}
	for {
		n, changed := s.now()
		if n != nil {
			for _, key := range keys {
				r, index := n.table.get(key)
				was, once := told[key]
				if once && (r.Generation < was.generation || r.Generation == was.generation && index <= was.index) {
					continue
				}
				told[key] = state{r.Generation, index}
				tell(r)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// Voter is nil if this server takes part in what is agreed on, and says why not otherwise.
func (s *Store) Voter() error {
	n, _ := s.now()
	if n == nil {
		return fmt.Errorf("this elector is in no cluster yet: %s", s.missing())
	}
	if !votes(n.servers(), n.ID) {
		return fmt.Errorf("this elector has no vote yet: the leader of the log gives it one when it has caught up (%s)", s.missing())
	}
	return nil
}

// missing says which electors are not there.
func (s *Store) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text []string
	for slot := range s.Size {
		if slot != s.Slot && !s.slots[slot] {
			text = append(text, fmt.Sprintf("nobody answers for slot %d", slot))
		}
	}
	for _, at := range slices.Sorted(maps.Keys(s.failed)) {
		text = append(text, fmt.Sprintf("%s: %s", at, s.failed[at]))
	}
	if len(text) == 0 {
		return "all electors answer"
	}
	return strings.Join(text, "; ")
}

// Stats of a server.
type Stats struct {
	// Leader: it leads the log.
	Leader bool
	// Term of the log, LastIndex of it, and how many servers vote.
	Term, LastIndex uint64
	Voters          int
	// Generation of the table.
	Generation uint64
}

// Stats as they are now.
func (s *Store) Stats() (out Stats) {
	n, _ := s.now()
	if n == nil {
		return out
	}
	out = Stats{Leader: n.raft.State() == hraft.Leader, Term: n.raft.CurrentTerm(), LastIndex: n.raft.LastIndex(), Generation: n.Cluster.Generation}
	for _, one := range n.servers() {
		if one.Suffrage == hraft.Voter {
			out.Voters++
		}
	}
	return out
}
