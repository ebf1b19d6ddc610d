package raft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

const (
	// heartbeatTimeout is after what silence (up to twice that, by chance) followers elect another leader. A leader that reaches no
	// quorum stops after leaderLease, which is before anybody can have been elected. Heartbeats are sent about twenty times a
	// second.
	heartbeatTimeout = 300 * time.Millisecond
	electionTimeout  = 300 * time.Millisecond
	leaderLease      = 250 * time.Millisecond
	// commitTimeout is about how late followers learn what is committed when nothing follows; watches are that late.
	commitTimeout = 50 * time.Millisecond
	// The table is small, and each elector renews all the time: the log is cut often, and little is kept of it.
	snapshotEvery = 5 * time.Second
	snapshotAfter = 2048
	trailingLogs  = 256
	cachedLogs    = 64
	applyPatience = time.Second
)

// A node is this server in one cluster.
type node struct {
	identity
	raft      *hraft.Raft
	table     *table
	streams   *streams
	transport *hraft.NetworkTransport
	log       *boltdb.BoltStore
	observer  *hraft.Observer
	observed  chan hraft.Observation
	stopped   chan struct{}
	// ready is the term in which this leader is known to have applied all that leaders before have acknowledged.
	ready atomic.Uint64
}

// full is an address as raft has it: whose it is belongs to it, since a new server may have the address of an old one.
func full(id, address string) hraft.ServerAddress { return hraft.ServerAddress(id + "@" + address) }

// start a node with what the folder holds of its cluster. Servers, if there are any, are the first configuration of all.
func (s *Store) start(is identity, servers []server) (_ *node, err error) {
	path := s.folder.log(is.Cluster)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the log: %w", err)
	}
	n := &node{identity: is, table: newTable(is.Cluster, s.notify), stopped: make(chan struct{})}
	logger := newLogger(s.Log)
	// Every write is synced: a server that has forgotten after a loss of power what it had acknowledged might elect a leader that does
	// not know it either.
	if n.log, err = boltdb.New(boltdb.Options{Path: filepath.Join(path, logFile), BoltOptions: lockPatience}); err != nil {
		return nil, fmt.Errorf("open the log in %s (is another elector using it? If it is broken, empty the folder, and the server is replaced by a new one): %w", path, err)
	}
	defer func() {
		if err != nil {
			n.log.Close()
		}
	}()
	snapshots, err := hraft.NewFileSnapshotStoreWithLogger(path, 1, logger)
	if err != nil {
		return nil, fmt.Errorf("open the snapshots in %s: %w", path, err)
	}
	cached, err := hraft.NewLogCache(cachedLogs, n.log)
	if err != nil {
		return nil, err
	}
	n.streams = &streams{store: s, identity: is, accepted: make(chan net.Conn), closed: make(chan struct{})}
	n.transport = hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{
		ServerAddressProvider: s, Stream: n.streams, MaxPool: 2, Timeout: greetingTime, Logger: logger,
	})
	config := hraft.DefaultConfig()
	config.LocalID, config.Logger, config.ShutdownOnRemove = hraft.ServerID(is.ID), logger, false
	config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout, config.CommitTimeout = heartbeatTimeout, electionTimeout, leaderLease, commitTimeout
	config.SnapshotInterval, config.SnapshotThreshold, config.TrailingLogs = snapshotEvery, snapshotAfter, trailingLogs
	if len(servers) > 0 {
		var first hraft.Configuration
		for _, one := range servers {
			first.Servers = append(first.Servers, hraft.Server{Suffrage: hraft.Voter, ID: hraft.ServerID(one.ID), Address: full(one.ID, one.Address)})
		}
		if err := hraft.BootstrapCluster(config, cached, n.log, snapshots, n.transport, first); err != nil {
			n.transport.Close()
			return nil, fmt.Errorf("write the first configuration: %w", err)
		}
	}
	if n.raft, err = hraft.NewRaft(config, n.table, cached, n.log, snapshots, n.transport); err != nil {
		n.transport.Close()
		return nil, fmt.Errorf("start raft on %s: %w", path, err)
	}
	n.observed = make(chan hraft.Observation, 4)
	n.observer = hraft.NewObserver(n.observed, false, func(o *hraft.Observation) bool { _, is := o.Data.(hraft.LeaderObservation); return is })
	n.raft.RegisterObserver(n.observer)
	go func() {
		for {
			select {
			case <-n.stopped:
				return
			case <-n.observed:
				if _, id := n.raft.LeaderWithID(); id != "" {
					s.Log.Info("an elector leads the log", "slot", slotOf(string(id)), "server", string(id), "term", n.raft.CurrentTerm())
				} else {
					s.Log.Info("no elector leads the log")
				}
				s.notify()
				s.look()
			}
		}
	}()
	return n, nil
}

// stop for good.
func (n *node) stop() error {
	close(n.stopped)
	n.raft.DeregisterObserver(n.observer)
	return errors.Join(n.raft.Shutdown().Error(), n.transport.Close(), n.log.Close())
}

// leader of the log by its ID; "" while there is none.
func (n *node) leader() string {
	_, id := n.raft.LeaderWithID()
	return string(id)
}

// servers of the latest configuration that this one knows.
func (n *node) servers() []hraft.Server {
	f := n.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return f.Configuration().Servers
}

// await a future of raft, or the end of the context.
func await(ctx context.Context, f hraft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get a record as it is now. All that leaders of earlier terms have acknowledged is applied when a barrier of this term is, what this
// one has acknowledged was applied before, and nobody else can have acknowledged anything if it still leads.
func (n *node) get(ctx context.Context, key string) (r store.Record, err error) {
	term := n.raft.CurrentTerm()
	if n.ready.Load() != term {
		if err := await(ctx, n.raft.Barrier(applyPatience)); err != nil {
			return r, err
		}
		n.ready.Store(term)
	}
	if err := await(ctx, n.raft.VerifyLeader()); err != nil {
		return r, err
	}
	if n.raft.CurrentTerm() != term {
		return r, hraft.ErrNotLeader
	}
	r, _ = n.table.get(key)
	return r, nil
}

// put a command into the log.
func (n *node) put(ctx context.Context, raw []byte) (applied, error) {
	f := n.raft.Apply(raw, applyPatience)
	if err := await(ctx, f); err != nil {
		return applied{}, err
	}
	switch is := f.Response().(type) {
	case applied:
		return is, nil
	case error:
		return applied{}, is
	default:
		return applied{}, fmt.Errorf("the table answers with a %T", is)
	}
}

// streams are raft's connections.
type streams struct {
	identity
	store    *Store
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

var _ hraft.StreamLayer = (*streams)(nil)

// Dial a server by its full address.
func (s *streams) Dial(to hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, address, _ := strings.Cut(string(to), "@")
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.store.link.dial(ctx, address, header{Kind: kindRaft, Cluster: s.Cluster.ID, To: id})
}

// Accept the next one.
func (s *streams) Accept() (net.Conn, error) {
	select {
	case conn := <-s.accepted:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (s *streams) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Addr of this server.
func (s *streams) Addr() net.Addr { return address(full(s.ID, s.store.Advertise)) }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
