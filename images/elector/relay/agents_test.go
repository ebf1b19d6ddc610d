package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// link is one elector's way to the store.
type link struct {
	store.Store
	cut atomic.Bool
}

var errCut = errors.New("the network is down")

func (l *link) Get(ctx context.Context, key string) (store.Record, error) {
	if l.cut.Load() {
		return store.Record{}, errCut
	}
	return l.Store.Get(ctx, key)
}

func (l *link) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	if l.cut.Load() {
		return "", errCut
	}
	return l.Store.Put(ctx, key, value, version)
}

func (l *link) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	l.Store.Watch(ctx, keys, func(r store.Record) {
		if !l.cut.Load() {
			tell(r)
		}
	})
}

// member is a whole one: an application, an elector, and its relay.
type member struct {
	*election.Agent
	relay *Relay
	link  *link
}

type late struct{ *election.Agent }

func join(t *testing.T, s store.Store, name string, demoted func()) *member {
	t.Helper()
	m := &member{link: &link{Store: s}}
	to := &late{}
	settings := config.Relay{Services: map[string]config.Service{"web": {Election: "one", Listen: "127.0.0.1:0", Target: application(t, name).Addr().String()}}}
	ready := make(chan struct{})
	m.relay, _ = serve(t, waited{to, ready}, settings)
	m.Agent = election.New(election.Options{
		Store: m.link, Clock: election.System(), Member: name, Address: m.relay.Peers().String(), Slots: 6, Elections: []string{"one"}, Auto: true,
		Lease: election.Lease{Duration: 600 * time.Millisecond, RenewDeadline: 400 * time.Millisecond, RetryPeriod: 100 * time.Millisecond},
		Demoted: func(_ context.Context, election string) {
			if demoted != nil {
				demoted()
			}
			m.relay.Cut(election)
		},
		Log: slog.New(slog.DiscardHandler),
	})
	to.Agent = m.Agent
	close(ready)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return m
}

// waited is an agent that is there after its relay.
type waited struct {
	of    *late
	ready chan struct{}
}

func (w waited) Status(name string) (election.Status, error) { <-w.ready; return w.of.Status(name) }
func (w waited) Changed() (<-chan struct{}, uint64)          { <-w.ready; return w.of.Changed() }

// reached says whose application a new connection reaches.
func (m *member) reached(t *testing.T) (string, *net.TCPConn) {
	t.Helper()
	c, err := net.Dial("tcp", m.relay.Address("web").String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(within)))
	var name [1]byte
	_, err = io.ReadFull(c, name[:])
	require.NoError(t, err)
	return string(name[:]), c.(*net.TCPConn)
}

func (m *member) leads() bool { s, _ := m.Status("one"); return s.Self }

func TestTheLeaderIsFollowed(t *testing.T) {
	s := store.NewMemory()
	a := join(t, s, "a", nil)
	require.Eventually(t, a.leads, within, tick)
	b, c := join(t, s, "b", nil), join(t, s, "c", nil)
	all := []*member{a, b, c}
	require.Eventually(t, func() bool { return b.Joined() && c.Joined() }, within, tick)
	var open []*net.TCPConn
	for _, m := range all {
		name, conn := m.reached(t)
		require.Equal(t, "a", name)
		open = append(open, conn)
	}

	t.Run("after it has resigned, at once", func(t *testing.T) {
		begun := time.Now()
		require.NoError(t, a.Resign(t.Context(), "one", "b"))
		for _, conn := range open {
			assert.True(t, isReset(conn))
		}
		for _, m := range all {
			name, _ := m.reached(t)
			assert.Equal(t, "b", name)
		}
		t.Log("followed after ", time.Since(begun))
		assert.Less(t, time.Since(begun), time.Second)
	})

	t.Run("when it is cut off, and its time has run out", func(t *testing.T) {
		_, conn := b.reached(t)
		b.link.cut.Store(true)
		assert.True(t, isReset(conn))
		assert.False(t, b.leads())
		for _, m := range []*member{a, c} {
			name, _ := m.reached(t)
			assert.Contains(t, "ac", name, "those that are not cut off wait for another leader")
		}
		b.link.cut.Store(false)
		name, _ := b.reached(t)
		assert.Contains(t, "ac", name)
	})
}

func TestWhoGivesItsSeatAwayEndsItsConnectionsFirst(t *testing.T) {
	s := store.NewMemory()
	told, answer := make(chan struct{}), make(chan struct{})
	a := join(t, s, "a", func() { close(told); <-answer })
	require.Eventually(t, a.leads, within, tick)
	b := join(t, s, "b", nil)
	require.Eventually(t, b.Joined, within, tick)
	_, conn := b.reached(t)
	left := make(chan struct{})
	go func() { defer close(left); a.Leave(t.Context()) }()
	<-told
	assert.False(t, a.leads())
	fmt.Fprint(conn, "the application may finish")
	reads(t, conn, "the application may finish")
	assert.False(t, b.leads())
	close(answer)
	assert.True(t, isReset(conn))
	name, _ := b.reached(t)
	assert.Equal(t, "b", name)
	<-left
}
