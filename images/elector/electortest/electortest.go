// Package electortest has electors within the process, for tests of what asks them.
package electortest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/server"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// Lease of the electors: as short as a busy machine can keep.
var Lease = election.Lease{Duration: 1200 * time.Millisecond, RenewDeadline: 800 * time.Millisecond, RetryPeriod: 200 * time.Millisecond}

// An Elector of the election "one".
type Elector struct {
	*election.Agent
	// URL of its API.
	URL string
	// Cut it off from the others.
	Cut atomic.Bool

	table store.Store
	kill  func()
}

// Start an elector. With app it stands only where it is asked to.
func Start(t testing.TB, s store.Store, member string, app bool) *Elector {
	t.Helper()
	e := &Elector{table: s}
	log := slog.New(slog.DiscardHandler)
	e.Agent = election.New(election.Options{
		Store: link{e}, Clock: election.System(), Member: member, Slots: 6, Lease: Lease, Elections: []string{"one"}, Auto: !app, Log: log,
	})
	api := server.New(server.Options{Agent: e.Agent, Elections: []string{"one"}, Auto: !app, Lease: Lease.Duration, Log: log})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.URL = "http://" + l.Addr().String()
	front := &http.Server{Handler: api}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	running.Go(func() { api.Run(ctx) })
	running.Go(func() { assert.ErrorIs(t, front.Serve(l), http.ErrServerClosed) })
	e.kill = sync.OnceFunc(func() { front.Close(); cancel(); running.Wait() })
	t.Cleanup(e.kill)
	return e
}

// Kill it: its API is gone, and nothing is handed over.
func (e *Elector) Kill() { e.kill() }

// Leads tells whether it leads by its own account.
func (e *Elector) Leads() bool { s, _ := e.Status("one"); return s.Self }

// link is an elector's way to the store.
type link struct{ *Elector }

var errCut = errors.New("the network is down")

func (l link) Get(ctx context.Context, key string) (store.Record, error) {
	if l.Cut.Load() {
		return store.Record{}, errCut
	}
	return l.table.Get(ctx, key)
}

func (l link) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	if l.Cut.Load() {
		return "", errCut
	}
	return l.table.Put(ctx, key, value, version)
}

func (l link) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	l.table.Watch(ctx, keys, func(r store.Record) {
		if !l.Cut.Load() {
			tell(r)
		}
	})
}
