package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/client"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/electortest"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

const (
	within = 10 * time.Second
	tick   = 2 * time.Millisecond
)

func TestWhoLeadsIsTold(t *testing.T) {
	s := store.NewMemory()
	a := electortest.Start(t, s, "a", false)
	require.Eventually(t, a.Leads, within, tick)
	b := electortest.Start(t, s, "b", false)
	of, other := client.Client{URL: a.URL}, client.Client{URL: b.URL + "/"}
	is, err := of.Leader(t.Context(), "one")
	require.NoError(t, err)
	assert.True(t, is.Leads())
	assert.WithinRange(t, is.Until, time.Now(), time.Now().Add(electortest.Lease.RenewDeadline))
	require.Eventually(t, func() bool {
		is, err = other.Leader(t.Context(), "one")
		return err == nil && is.Leader == "a"
	}, within, tick)
	assert.False(t, is.Leads())
	_, err = other.Renew(t.Context(), "one")
	require.ErrorIs(t, err, client.ErrNotLeader)
	var wrong *client.Error
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, "a", wrong.Election.Leader)
	_, err = of.Leader(t.Context(), "two")
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, http.StatusNotFound, wrong.Status)
	_, err = of.Leader(t.Context(), "shards/1")
	require.ErrorContains(t, err, `no election "shards/1"`)
	require.Error(t, of.Watch(t.Context(), "two", func(client.Election) {}))

	require.Eventually(t, b.Joined, within, tick)
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan client.Election, 10), make(chan error)
	go func() { ended <- other.Watch(ctx, "one", func(is client.Election) { told <- is }) }()
	assert.Equal(t, "a", (<-told).Leader)
	require.NoError(t, of.Resign(t.Context(), "one", "b"))
	assert.True(t, (<-told).Leads())
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// reign is one call of a function that leads.
type reign struct {
	term  uint64
	ended chan struct{} // when its context does
}

// runs a function that leads until its context ends, and tells of each call.
func runs(t *testing.T, url string) (reigns chan reign, stop func() error) {
	t.Helper()
	reigns = make(chan reign, 10)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		c := &client.Client{URL: url}
		result <- c.Run(ctx, "one", func(ctx context.Context, term uint64) error {
			r := reign{term, make(chan struct{})}
			reigns <- r
			<-ctx.Done()
			close(r.ended)
			return ctx.Err()
		})
	}()
	return reigns, func() error { cancel(); return <-result }
}

func TestRunLeadsInTurns(t *testing.T) {
	for _, app := range []bool{false, true} {
		s := store.NewMemory()
		a := electortest.Start(t, s, "a", app)
		reigns, stop := runs(t, a.URL)
		first := <-reigns
		assert.Equal(t, uint64(1), first.term)
		b := electortest.Start(t, s, "b", app)
		others, stopOthers := runs(t, b.URL)
		<-time.After(2 * electortest.Lease.Duration)
		select {
		case <-first.ended:
			require.Fail(t, "it leads on")
		default:
		}
		require.Eventually(t, b.Joined, within, tick)
		begun := time.Now()
		require.NoError(t, a.Resign(t.Context(), "one", "b"))
		<-first.ended
		t.Log("its context has ended after ", time.Since(begun))
		second := <-others
		assert.Equal(t, uint64(2), second.term)
		require.ErrorIs(t, stopOthers(), context.Canceled)
		<-second.ended
		assert.Equal(t, uint64(3), (<-reigns).term, "who ends resigns")
		require.ErrorIs(t, stop(), context.Canceled)
	}
}

func TestRunGivesWhatTheFunctionGives(t *testing.T) {
	a := electortest.Start(t, store.NewMemory(), "a", false)
	c := &client.Client{URL: a.URL}
	done := errors.New("done")
	require.ErrorIs(t, c.Run(t.Context(), "one", func(context.Context, uint64) error { return done }), done)
	require.NoError(t, c.Run(t.Context(), "one", func(context.Context, uint64) error { return nil }))
	require.ErrorContains(t, c.Run(t.Context(), "two", nil), `no election "two"`)
}

func TestWhatTheApplicationSeesWhenTheElectorIsKilled(t *testing.T) {
	s := store.NewMemory()
	a := electortest.Start(t, s, "a", false)
	reigns, stop := runs(t, a.URL)
	first := <-reigns
	b := electortest.Start(t, s, "b", false)
	c := client.Client{URL: a.URL}
	last, err := c.Leader(t.Context(), "one")
	require.NoError(t, err)
	a.Kill()
	_, err = c.Leader(t.Context(), "one")
	require.ErrorContains(t, err, "connection refused")
	assert.True(t, last.Leads(), "the last answer holds")
	<-first.ended
	assert.False(t, b.Leads(), "nobody else leads when it has ended")
	assert.False(t, time.Now().Before(last.Until))
	require.Eventually(t, b.Leads, within, tick)
	require.ErrorIs(t, stop(), context.Canceled)
}

func TestRunEndsWhenLeadershipRunsOut(t *testing.T) {
	s := store.NewMemory()
	a := electortest.Start(t, s, "a", false)
	reigns, stop := runs(t, a.URL)
	first := <-reigns
	b := electortest.Start(t, s, "b", false)
	a.Cut.Store(true)
	<-first.ended
	assert.False(t, b.Leads())
	require.Eventually(t, b.Leads, within, tick)
	a.Cut.Store(false)
	require.Eventually(t, a.Joined, within, tick)
	require.Eventually(t, func() bool { return b.Resign(t.Context(), "one", "a") == nil }, within, tick)
	for r := range reigns {
		if r.term >= 3 { // b has led meanwhile
			break
		}
	}
	require.ErrorIs(t, stop(), context.Canceled)
}
