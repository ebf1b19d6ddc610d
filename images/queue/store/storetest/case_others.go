package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

var otherCases = []testCase{
	{"a commit makes items and results in one step, and an entry that fails changes nothing", func(s *suite) {
		s.push(named("a"), named("b"), named("c"), store.NewItem{Stage: "join", Name: "taken"})
		items := s.receive(3)
		errs := s.commit(
			store.Commit{Lease: items[0].Lease, Items: []store.NewItem{{Stage: "join", Name: "a"}}, Results: []store.NewResult{{Name: "a"}}},
			store.Commit{Lease: items[1].Lease, Items: []store.NewItem{{Stage: "join", Name: "b"}, {Stage: "join", Name: "taken"}},
				Results: []store.NewResult{{Name: "b"}}},
			store.Commit{Lease: store.Lease{ID: items[2].ID, Epoch: 7}, Items: []store.NewItem{{Stage: "join", Name: "c"}}},
			store.Commit{Lease: items[2].Lease, Items: []store.NewItem{{Stage: "join", Name: "c"}}, Results: []store.NewResult{{Name: "a"}}},
			store.Commit{Lease: items[2].Lease, Items: []store.NewItem{{Stage: "new", Name: "c"}, {Stage: "new", Name: "c"}}},
		)
		assert.Equal(s, []error{nil, store.ErrNameTaken, store.ErrLeaseLost, store.ErrNameTaken, store.ErrNameTaken}, errs)
		s.counts(map[api.State]int64{api.Done: 1, api.InFlight: 2})
		made, err := s.s.List(s.ctx, store.Query{Stage: "join", Limit: 10})
		require.NoError(s, err)
		assert.Len(s, made, 2)
		results, err := s.s.Results(s.ctx, store.ResultQuery{Limit: 10})
		require.NoError(s, err)
		assert.Len(s, results, 1)
		assert.Equal(s, []error{nil}, s.commit(store.Commit{Lease: items[1].Lease}), "the lease of an entry that failed is still good")
	}},
	{"lineage is kept, and what was made outlives what it was made from", func(s *suite) {
		s.push(named("a"))
		parent := s.one()
		s.commit(store.Commit{Lease: parent.Lease, Items: []store.NewItem{{Stage: "join", Name: "a/1"}, {Stage: "join", Name: "a/2"}},
			Results: []store.NewResult{{Name: "a.txt", Payload: store.Payload{Data: []byte("text"), Size: 4}}}})
		input, items, results, err := s.s.Family(s.ctx, parent.ID)
		require.NoError(s, err)
		assert.Nil(s, input)
		require.Len(s, items, 2)
		assert.Equal(s, "a/1", items[0].Name)
		require.Len(s, results, 1)
		child := items[0].ID
		input, _, _, err = s.s.Family(s.ctx, child)
		require.NoError(s, err)
		require.NotNil(s, input)
		assert.Equal(s, "a", input.Name)

		s.clock.Advance(time.Hour)
		n, err := s.s.Forget(s.ctx, s.clock.Now(), 10)
		require.NoError(s, err)
		assert.Equal(s, 1, n)
		input, _, _, err = s.s.Family(s.ctx, child)
		require.NoError(s, err)
		assert.Nil(s, input)
		_, items, results, err = s.s.Family(s.ctx, parent.ID)
		require.NoError(s, err)
		assert.Len(s, items, 2)
		assert.Len(s, results, 1)
		result, err := s.s.Result(s.ctx, "a.txt")
		require.NoError(s, err)
		assert.Equal(s, []string{"resize", "a", "text"}, []string{result.Stage, result.Item, string(result.Payload.Data)})
		assert.Equal(s, parent.ID, result.Input)
		_, err = s.s.Get(s.ctx, "resize", "a")
		assert.ErrorIs(s, err, store.ErrNotFound)
	}},
	{"results are paged, exported once, and given without their data if that is asked for", func(s *suite) {
		s.push(named("a"))
		commit := store.Commit{Lease: s.one().Lease}
		for i := range 5 {
			commit.Results = append(commit.Results, store.NewResult{Name: fmt.Sprint(i), Payload: store.Payload{Data: []byte{byte(i), 1}, Size: 2}})
		}
		s.commit(commit)
		page, err := s.s.Results(s.ctx, store.ResultQuery{Limit: 2})
		require.NoError(s, err)
		assert.Equal(s, []byte{1, 1}, page[1].Payload.Data)
		page, err = s.s.Results(s.ctx, store.ResultQuery{After: page[1].ID, Limit: 2, Brief: true})
		require.NoError(s, err)
		require.Len(s, page, 2)
		assert.Equal(s, "2", page[0].Name)
		assert.Empty(s, page[0].Payload.Data)
		for range 2 {
			require.NoError(s, s.s.Exported(s.ctx, []int64{page[0].ID, page[1].ID, 1 << 40}))
			stats, err := s.s.Stats(s.ctx)
			require.NoError(s, err)
			assert.Equal(s, []int64{5, 2}, []int64{stats.Results, stats.Exported})
		}
		page, err = s.s.Results(s.ctx, store.ResultQuery{Unexported: true, Limit: 10})
		require.NoError(s, err)
		assert.Len(s, page, 3)
	}},
	{"items are listed in pages by ID, of one state or all", func(s *suite) {
		for i := range 30 {
			s.push(store.NewItem{Name: fmt.Sprintf("%02d", i), Priority: (i * 7) % 10})
		}
		s.receive(5)
		var names []string
		for after := int64(0); ; {
			page, err := s.s.List(s.ctx, store.Query{Stage: "resize", After: after, Limit: 7})
			require.NoError(s, err)
			if len(page) == 0 {
				break
			}
			for _, item := range page {
				names = append(names, item.Name)
				after = item.ID
			}
		}
		assert.Len(s, names, 30)
		assert.IsIncreasing(s, names)
		s.counts(map[api.State]int64{api.Waiting: 25, api.InFlight: 5})
	}},
	{"a tick does at most as much as its limit", func(s *suite) {
		for i := range 5 {
			s.push(store.NewItem{Name: fmt.Sprint(i), Delay: time.Second})
		}
		s.clock.Advance(time.Second)
		_, more, err := s.s.Tick(s.ctx, rule, 3)
		require.NoError(s, err)
		assert.True(s, more)
		s.counts(map[api.State]int64{api.Waiting: 3, api.Delayed: 2})
		_, more, err = s.s.Tick(s.ctx, rule, 3)
		require.NoError(s, err)
		assert.False(s, more)
	}},
	{"a role is held by one until its time is over or it is given up", func(s *suite) {
		hold := func(holder string) bool {
			held, err := s.s.Hold(s.ctx, "scale", holder, 10*time.Second)
			require.NoError(s, err)
			return held
		}
		assert.True(s, hold("one"))
		assert.False(s, hold("two"))
		s.clock.Advance(9 * time.Second)
		assert.True(s, hold("one"), "renewed")
		s.clock.Advance(9 * time.Second)
		assert.False(s, hold("two"))
		s.clock.Advance(time.Second)
		assert.True(s, hold("two"))
		require.NoError(s, s.s.Unhold(s.ctx, "scale", "one"))
		assert.False(s, hold("one"), "who does not hold it cannot give it up")
		require.NoError(s, s.s.Unhold(s.ctx, "scale", "two"))
		assert.True(s, hold("one"))
	}},
	{"marks are kept, and are empty before", func(s *suite) {
		for _, want := range []string{"", "one", "two"} {
			if want != "" {
				require.NoError(s, s.s.SetMark(s.ctx, "read/bucket", want))
			}
			got, err := s.s.Mark(s.ctx, "read/bucket")
			require.NoError(s, err)
			assert.Equal(s, want, got)
		}
	}},
	{"changes tell the stages, and where items have begun to wait", func(s *suite) {
		s.push(named("a"))
		s.told("resize", true)
		s.one()
		s.told("resize", false)
		s.after(time.Minute)
		s.told("resize", true)
	}},
	{"a call whose context has ended changes nothing", func(s *suite) {
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		_, err := s.s.Enqueue(ctx, []store.NewItem{{Stage: "resize", Name: "a"}})
		assert.ErrorIs(s, err, context.Canceled)
		_, err = s.s.Get(s.ctx, "resize", "a")
		assert.ErrorIs(s, err, store.ErrNotFound)
	}},
	{"receivers at once, of all servers, never get the same item, and none is lost", func(s *suite) {
		s.race(false)
	}},
	{"items of groups that are received at once keep their order", func(s *suite) {
		s.race(true)
	}},
	{"another server sees and is told what this one does", func(s *suite) {
		if s.Another == nil {
			s.Skip("one server only")
		}
		other := s.Another()
		s.Cleanup(func() { assert.NoError(s, other.Close()) })
		s.push(named("a"))
		require.Eventually(s, func() bool {
			select {
			case c := <-other.Changed():
				return c.Stage == "resize" && c.Waiting
			default:
				return false
			}
		}, 10*time.Second, time.Millisecond)
		items, err := other.Receive(s.ctx, store.Receive{Stage: "resize", Worker: "w", Max: 1, Until: s.clock.Now().Add(time.Minute)})
		require.NoError(s, err)
		require.Len(s, items, 1)
		assert.Equal(s, []error{nil}, s.commit(store.Commit{Lease: items[0].Lease}))
		held, err := other.Hold(s.ctx, "scale", "other", time.Minute)
		require.NoError(s, err)
		assert.True(s, held)
		held, err = s.s.Hold(s.ctx, "scale", "this", time.Minute)
		require.NoError(s, err)
		assert.False(s, held)
	}},
}

// told waits for a change.
func (s *suite) told(stage string, waiting bool) {
	s.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case c := <-s.s.Changed():
			if c.Stage == stage && (c.Waiting || !waiting) {
				return
			}
		case <-deadline:
			require.Fail(s, "no change was told")
		}
	}
}

// race clients that push, receive and commit at once, on all servers.
func (s *suite) race(groups bool) {
	const clients, each, inGroup = 8, 60, 6
	stores := []store.Store{s.s}
	if s.Another != nil {
		other := s.Another()
		s.Cleanup(func() { assert.NoError(s, other.Close()) })
		stores = append(stores, other)
	}
	var mu sync.Mutex
	got := map[string]int{}
	last := map[string]string{}
	var total int
	client := func(n int) error {
		st := stores[n%len(stores)]
		for i := range each {
			item := store.NewItem{Stage: "resize", Name: fmt.Sprintf("%02d-%02d", n, i), Priority: 4}
			if groups {
				item.Group = fmt.Sprint(n, "-", i%inGroup)
			}
			if _, err := st.Enqueue(s.ctx, []store.NewItem{item}); err != nil {
				return err
			}
		}
		for {
			items, err := st.Receive(s.ctx, store.Receive{Stage: "resize", Worker: fmt.Sprint(n), Max: 3, Until: s.clock.Now().Add(time.Minute)})
			if err != nil {
				return err
			}
			mu.Lock()
			for _, item := range items {
				got[item.Name]++
				if groups {
					assert.Less(s, last[item.Group], item.Name, "the order of a group")
					last[item.Group] = item.Name
				}
			}
			total += len(items)
			ended := total >= clients*each
			mu.Unlock()
			for _, item := range items {
				commit := store.Commit{Lease: item.Lease, Results: []store.NewResult{{Name: item.Name}}}
				errs, err := st.Commit(s.ctx, []store.Commit{commit})
				if err != nil || errs[0] != nil {
					return fmt.Errorf("commit %s: %w", item.Name, firstError(err, errs))
				}
			}
			if ended {
				return nil
			}
		}
	}
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() { assert.NoError(s, client(n)) })
	}
	running.Wait()
	assert.Len(s, got, clients*each)
	for name, n := range got {
		assert.Equal(s, 1, n, name)
	}
	s.counts(map[api.State]int64{api.Done: clients * each})
	stats, err := s.s.Stats(s.ctx)
	require.NoError(s, err)
	assert.EqualValues(s, clients*each, stats.Results)
}

func firstError(err error, errs []error) error {
	if err != nil {
		return err
	}
	return errs[0]
}
