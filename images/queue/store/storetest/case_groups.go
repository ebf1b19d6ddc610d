package storetest

import (
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

var groupCases = []testCase{
	{"of a group one item is worked on at a time, in order, whatever the priorities", func(s *suite) {
		s.push(grouped("a", "g"), store.NewItem{Name: "b", Priority: 9, Group: "g"}, grouped("c", "g"), grouped("other", "h"), named("none"))
		s.state(api.Blocked, "b")
		items := s.receive(10)
		require.Len(s, items, 3)
		assert.Equal(s, []string{"a", "other", "none"}, []string{items[0].Name, items[1].Name, items[2].Name})
		s.commit(store.Commit{Lease: items[0].Lease})
		assert.Equal(s, []string{"b"}, s.receivable())
		s.counts(map[api.State]int64{api.Done: 1, api.InFlight: 3, api.Blocked: 1})
	}},
	{"a head that is to be tried again holds its group up", func(s *suite) {
		s.push(grouped("a", "g"), grouped("b", "g"))
		assert.NoError(s, s.giveBack(store.GiveBack{Lease: s.one().Lease, Delay: 10 * time.Second}))
		assert.Empty(s, s.receivable())
		s.after(10 * time.Second)
		assert.Equal(s, []string{"a"}, s.receivable())
		s.after(30 * time.Second) // expired
		s.state(api.Blocked, "b")
	}},
	{"a delayed head holds its group up, and a delay behind it goes by meanwhile", func(s *suite) {
		s.push(store.NewItem{Name: "a", Group: "g", Delay: 10 * time.Second}, store.NewItem{Name: "b", Group: "g", Delay: 20 * time.Second},
			store.NewItem{Name: "c", Group: "g", Delay: time.Hour})
		s.state(api.Delayed, "a")
		s.state(api.Blocked, "b")
		s.after(25 * time.Second)
		s.commit(store.Commit{Lease: s.one().Lease})
		s.state(api.Waiting, "b")
		s.commit(store.Commit{Lease: s.one().Lease})
		s.state(api.Delayed, "c")
	}},
	{"a dead head lets the next one go, and is blocked when it is redriven", func(s *suite) {
		s.push(grouped("a", "g"), grouped("b", "g"), grouped("c", "g"))
		assert.NoError(s, s.giveBack(store.GiveBack{Lease: s.one().Lease, Dead: true}))
		b := s.one()
		assert.Equal(s, "b", b.Name)
		_, err := s.s.Redrive(s.ctx, "resize", nil)
		require.NoError(s, err)
		s.state(api.Blocked, "a")
		s.commit(store.Commit{Lease: b.Lease})
		assert.Equal(s, []string{"a"}, s.receivable(), "its place is by ID")
		s.state(api.Blocked, "c")
	}},
	{"a head that dies by expiry lets the next one go", func(s *suite) {
		s.push(grouped("a", "g"), grouped("b", "g"))
		for range 3 {
			s.one()
			s.after(30 * time.Second)
			s.after(time.Minute)
		}
		s.state(api.Dead, "a")
		assert.Equal(s, []string{"b"}, s.receivable())
	}},
	{"a head that is purged lets the next one go", func(s *suite) {
		s.push(grouped("a", "g"), grouped("b", "g"), grouped("c", "g"))
		_, err := s.s.Purge(s.ctx, "resize", []string{"a"}, "")
		require.NoError(s, err)
		s.state(api.Waiting, "b")
		_, err = s.s.Purge(s.ctx, "resize", nil, api.Blocked)
		require.NoError(s, err)
		s.counts(map[api.State]int64{api.Waiting: 1})
	}},
	{"a group of another stage is another group", func(s *suite) {
		s.push(grouped("a", "g"), store.NewItem{Stage: "join", Name: "a", Group: "g"})
		items, err := s.s.List(s.ctx, store.Query{Stage: "join", State: api.Waiting, Limit: 10})
		require.NoError(s, err)
		assert.Len(s, items, 1)
	}},
}
