package storetest

import (
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

var itemCases = []testCase{
	{"the highest priority is received first, then the lowest ID", func(s *suite) {
		s.push(store.NewItem{Name: "low", Priority: 0}, store.NewItem{Name: "mid-1", Priority: 4}, store.NewItem{Name: "high", Priority: 9},
			store.NewItem{Name: "mid-2", Priority: 4})
		assert.Equal(s, []string{"high", "mid-1", "mid-2", "low"}, s.receivable())
	}},
	{"a name that the stage has is a duplicate, in one call as well, and another stage may have it", func(s *suite) {
		first := s.push(named("a"), named("a"), store.NewItem{Stage: "join", Name: "a"})
		assert.Equal(s, []bool{false, true, false}, []bool{first[0].Duplicate, first[1].Duplicate, first[2].Duplicate})
		assert.Equal(s, first[0].ID, first[1].ID)
		assert.NotEqual(s, first[0].ID, first[2].ID)
		changed := store.NewItem{Name: "a", Priority: 9, Payload: store.Payload{Data: []byte("new"), Size: 3}}
		assert.Equal(s, store.Enqueued{ID: first[0].ID, Duplicate: true}, s.push(changed)[0])
		assert.Equal(s, api.DefaultPriority, s.get("a").Priority)
		assert.Empty(s, s.get("a").Payload.Data)
	}},
	{"a name stays taken when the item is done, until it is forgotten", func(s *suite) {
		s.push(named("a"))
		s.commit(store.Commit{Lease: s.one().Lease})
		assert.True(s, s.push(named("a"))[0].Duplicate)
		s.clock.Advance(time.Hour)
		n, err := s.s.Forget(s.ctx, s.clock.Now(), 10)
		require.NoError(s, err)
		assert.Equal(s, 1, n)
		assert.False(s, s.push(named("a"))[0].Duplicate)
	}},
	{"a deduplication ID is remembered for the window, under whatever name", func(s *suite) {
		id := s.push(store.NewItem{Name: "a", DeduplicationID: "x"})[0].ID
		s.after(window - time.Second)
		assert.Equal(s, store.Enqueued{ID: id, Duplicate: true}, s.push(store.NewItem{Name: "b", DeduplicationID: "x"})[0])
		assert.False(s, s.push(store.NewItem{Stage: "join", Name: "b", DeduplicationID: "x"})[0].Duplicate, "another stage's")
		s.after(time.Second)
		assert.False(s, s.push(store.NewItem{Name: "b", DeduplicationID: "x"})[0].Duplicate, "after the window")
	}},
	{"a delayed item waits from its time on", func(s *suite) {
		s.push(store.NewItem{Name: "a", Delay: 10 * time.Second})
		s.state(api.Delayed, "a")
		assert.Empty(s, s.receivable())
		due := s.clock.Now().Add(10 * time.Second)
		assert.True(s, s.after(9*time.Second).Equal(due))
		assert.Empty(s, s.receivable())
		assert.True(s, s.after(time.Second).IsZero())
		s.state(api.Waiting, "a")
		assert.Equal(s, []string{"a"}, s.receivable())
	}},
	{"an item that is received is in flight, with its content, its attempt and its worker", func(s *suite) {
		s.push(store.NewItem{Name: "a", Payload: store.Payload{Data: []byte("picture"), Size: 7}})
		item := s.one()
		assert.Equal(s, "picture", string(item.Payload.Data))
		assert.Equal(s, 1, item.Attempt)
		assert.EqualValues(s, 1, item.Epoch)
		got := s.get("a")
		assert.Equal(s, api.InFlight, got.State)
		assert.Equal(s, "w-0", got.Worker)
		assert.True(s, got.Due.Equal(s.clock.Now().Add(30*time.Second)))
		assert.Empty(s, s.receive(1))
	}},
	{"an expired lease is good until somebody else receives the item", func(s *suite) {
		s.push(named("a"), named("b"), named("c"))
		old := s.receive(3)
		s.after(30 * time.Second)
		s.state(api.Waiting, "a")
		assert.Equal(s, "lease expired", s.get("a").Failure.Reason)
		assert.Equal(s, []error{nil}, s.commit(store.Commit{Lease: old[0].Lease}))
		s.state(api.Done, "a")
		assert.NoError(s, s.extend(old[1].Lease, time.Minute))
		s.state(api.InFlight, "b")
		second := s.one()
		assert.Equal(s, "c", second.Name)
		assert.Equal(s, old[2].Epoch+1, second.Epoch)
		assert.Equal(s, 2, second.Attempt)
		assert.Equal(s, store.ErrLeaseLost, s.extend(old[2].Lease, time.Minute))
		assert.Equal(s, store.ErrLeaseLost, s.giveBack(store.GiveBack{Lease: old[2].Lease}))
		assert.Equal(s, []error{store.ErrLeaseLost}, s.commit(store.Commit{Lease: old[2].Lease, Results: []store.NewResult{{Name: "c"}}}))
		_, err := s.s.Result(s.ctx, "c")
		assert.ErrorIs(s, err, store.ErrNotFound)
		assert.Equal(s, []error{nil}, s.commit(store.Commit{Lease: second.Lease}))
		assert.Equal(s, []error{store.ErrLeaseLost}, s.commit(store.Commit{Lease: second.Lease}))
	}},
	{"a lease is extended to a later time and never to an earlier one", func(s *suite) {
		s.push(named("a"))
		lease := s.one().Lease
		assert.NoError(s, s.extend(lease, time.Minute))
		assert.NoError(s, s.extend(lease, time.Second))
		s.after(59 * time.Second)
		s.state(api.InFlight, "a")
		s.after(time.Second)
		s.state(api.Waiting, "a")
	}},
	{"an item whose attempts are used up is dead, and its lease lost", func(s *suite) {
		s.push(named("a"))
		var lease store.Lease
		for attempt := 1; attempt <= 3; attempt++ {
			item := s.one()
			assert.Equal(s, attempt, item.Attempt)
			lease = item.Lease
			s.after(30 * time.Second)
			s.after(time.Minute)
		}
		s.state(api.Dead, "a")
		assert.Equal(s, []error{store.ErrLeaseLost}, s.commit(store.Commit{Lease: lease}))
		s.counts(map[api.State]int64{api.Dead: 1})
	}},
	{"a released attempt does not count, one that is given back does", func(s *suite) {
		s.push(named("a"))
		lease := s.one().Lease
		assert.NoError(s, s.giveBack(store.GiveBack{Lease: lease, Release: true}))
		assert.Equal(s, store.ErrLeaseLost, s.giveBack(store.GiveBack{Lease: lease}), "given back already")
		item := s.one()
		assert.Equal(s, 1, item.Attempt)
		assert.EqualValues(s, 2, item.Epoch)
		why := &api.Failure{Reason: "exit code 75", Worker: "w-0"}
		assert.NoError(s, s.giveBack(store.GiveBack{Lease: item.Lease, Delay: time.Second, Failure: why}))
		s.state(api.Delayed, "a")
		assert.Equal(s, why, s.get("a").Failure)
		s.after(time.Second)
		assert.Equal(s, 2, s.one().Attempt)
	}},
	{"dead items wait again with all attempts when they are redriven", func(s *suite) {
		s.push(named("a"), named("b"), named("c"))
		for _, item := range s.receive(3) {
			assert.NoError(s, s.giveBack(store.GiveBack{Lease: item.Lease, Dead: true}))
		}
		n, err := s.s.Redrive(s.ctx, "resize", []string{"b", "none"})
		require.NoError(s, err)
		assert.Equal(s, 1, n)
		assert.Equal(s, 1, s.one().Attempt)
		n, err = s.s.Redrive(s.ctx, "resize", nil)
		require.NoError(s, err)
		assert.Equal(s, 2, n)
		assert.Equal(s, []string{"a", "c"}, s.receivable())
		stats, err := s.s.Stats(s.ctx)
		require.NoError(s, err)
		assert.EqualValues(s, 3, stats.Stages["resize"].DeadTotal)
	}},
	{"what is in flight is never purged, and what is purged loses its lease", func(s *suite) {
		s.push(named("a"), named("b"), named("c"))
		lease := s.one().Lease
		n, err := s.s.Purge(s.ctx, "resize", []string{"a", "b"}, "")
		require.NoError(s, err)
		assert.Equal(s, 1, n)
		s.counts(map[api.State]int64{api.Waiting: 1, api.InFlight: 1})
		n, err = s.s.Purge(s.ctx, "resize", nil, api.InFlight)
		require.NoError(s, err)
		assert.Zero(s, n)
		s.after(30 * time.Second)
		n, err = s.s.Purge(s.ctx, "resize", nil, api.Waiting)
		require.NoError(s, err)
		assert.Equal(s, 2, n)
		assert.Equal(s, []error{store.ErrLeaseLost}, s.commit(store.Commit{Lease: lease}))
		assert.False(s, s.push(named("a"))[0].Duplicate)
		assert.Equal(s, store.ErrLeaseLost, s.extend(lease, time.Minute))
	}},
	{"more items than a step are purged and redriven", func(s *suite) {
		const many = 4500
		for at := 0; at < many; at += 500 {
			items := make([]store.NewItem, 500)
			for i := range items {
				items[i] = named(time.Duration(at + i).String())
			}
			s.push(items...)
		}
		for items := s.receive(500); len(items) > 0; items = s.receive(500) {
			back := make([]store.GiveBack, len(items))
			for i := range items {
				back[i] = store.GiveBack{Lease: items[i].Lease, Dead: true}
			}
			_, err := s.s.GiveBack(s.ctx, back)
			require.NoError(s, err)
		}
		n, err := s.s.Redrive(s.ctx, "resize", nil)
		require.NoError(s, err)
		assert.Equal(s, many, n)
		n, err = s.s.Purge(s.ctx, "resize", nil, api.Waiting)
		require.NoError(s, err)
		assert.Equal(s, many, n)
		s.counts(nil)
	}},
}
