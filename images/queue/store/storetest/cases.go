package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// suite is one case's store, with shorthands that end the case on an error.
type suite struct {
	*testing.T
	Instance
	ctx   context.Context
	s     store.Store
	clock *Clock
}

var cases = append(append(append([]testCase{}, itemCases...), groupCases...), otherCases...)

type testCase struct {
	name string
	run  func(*suite)
}

// push items of a stage "resize".
func (s *suite) push(items ...store.NewItem) []store.Enqueued {
	s.Helper()
	for i := range items {
		if items[i].Stage == "" {
			items[i].Stage = "resize"
		}
	}
	got, err := s.s.Enqueue(s.ctx, items)
	require.NoError(s, err)
	return got
}

// receive up to n items for 30 seconds.
func (s *suite) receive(n int) []store.Item {
	s.Helper()
	items, err := s.s.Receive(s.ctx, store.Receive{Stage: "resize", Worker: "w-0", Max: n, Until: s.clock.Now().Add(30 * time.Second)})
	require.NoError(s, err)
	return items
}

// names of the items that can be received now.
func (s *suite) receivable() (names []string) {
	s.Helper()
	for _, item := range s.receive(100) {
		names = append(names, item.Name)
	}
	return names
}

// one lease of one item.
func (s *suite) one() store.Item {
	s.Helper()
	items := s.receive(1)
	require.Len(s, items, 1)
	return items[0]
}

func (s *suite) commit(commits ...store.Commit) []error {
	s.Helper()
	errs, err := s.s.Commit(s.ctx, commits)
	require.NoError(s, err)
	return errs
}

func (s *suite) giveBack(back store.GiveBack) error {
	s.Helper()
	errs, err := s.s.GiveBack(s.ctx, []store.GiveBack{back})
	require.NoError(s, err)
	return errs[0]
}

func (s *suite) extend(lease store.Lease, d time.Duration) error {
	s.Helper()
	errs, err := s.s.Extend(s.ctx, []store.Lease{lease}, s.clock.Now().Add(d))
	require.NoError(s, err)
	return errs[0]
}

// after lets time go by, and what is due happen.
func (s *suite) after(d time.Duration) time.Time {
	s.Helper()
	s.clock.Advance(d)
	next, more, err := s.s.Tick(s.ctx, rule, 1000)
	require.NoError(s, err)
	assert.False(s, more)
	return next
}

func (s *suite) get(name string) *store.Item {
	s.Helper()
	item, err := s.s.Get(s.ctx, "resize", name)
	require.NoError(s, err)
	return item
}

func (s *suite) state(want api.State, name string) {
	s.Helper()
	assert.Equal(s, want, s.get(name).State, name)
}

func (s *suite) counts(want map[api.State]int64) {
	s.Helper()
	stats, err := s.s.Stats(s.ctx)
	require.NoError(s, err)
	got := stats.Stages["resize"].Counts
	for state, n := range got {
		assert.Equal(s, want[state], n, state)
		items, err := s.s.List(s.ctx, store.Query{Stage: "resize", State: state, Limit: everything})
		require.NoError(s, err)
		assert.Len(s, items, int(n), state)
	}
}

func named(name string) store.NewItem {
	return store.NewItem{Name: name, Priority: api.DefaultPriority}
}

func grouped(name, group string) store.NewItem {
	return store.NewItem{Name: name, Priority: api.DefaultPriority, Group: group}
}
