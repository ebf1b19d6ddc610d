package election

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

func TestSharesAreEvenAndMoveNoMoreThanTheyMust(t *testing.T) {
	for round := range 500 {
		random := rand.New(rand.NewPCG(1, uint64(round))) //nolint:gosec // of a test
		var names, members []string
		for i := range 1 + random.IntN(70) {
			names = append(names, fmt.Sprint(i))
		}
		for i := range 1 + random.IntN(9) {
			members = append(members, fmt.Sprint("m", i))
		}
		holder := map[string]string{}
		for _, name := range names {
			if random.IntN(3) > 0 {
				holder[name] = members[random.IntN(1+random.IntN(len(members)))]
			}
		}
		to := share(names, holder, members)
		before, after, moved, free := map[string]int{}, map[string]int{}, 0, 0
		for _, name := range names {
			h := holder[name]
			if before[h]++; h == "" {
				free++
			}
			if next, there := to[name]; there {
				if h != "" {
					moved++
				}
				h = next
			}
			after[h]++
		}
		least, most := len(names)/len(members), (len(names)+len(members)-1)/len(members)
		must := 0
		for _, m := range members {
			assert.GreaterOrEqual(t, after[m], least, round)
			assert.LessOrEqual(t, after[m], most, round)
			must += max(0, before[m]-most)
		}
		// Those above the greatest share must give; beyond that only what others lack to the least one.
		lack := -free
		for _, m := range members {
			lack += max(0, least-before[m])
		}
		assert.LessOrEqual(t, moved, max(must, lack), "round %d", round)
	}
	assert.Empty(t, share([]string{"a"}, nil, nil), "there is nobody")
}

func TestASetIsSharedByThoseThatLive(t *testing.T) {
	s := store.NewMemory()
	set := func(o *Options) { o.Elections, o.Sets = nil, map[string]int{"shards": 64} }
	count := func(e *elector) (n int) {
		for shard := range 64 {
			if e.self(ShardName("shards", shard)) {
				n++
			}
		}
		return n
	}
	has := func(n int, all ...*elector) {
		t.Helper()
		require.Eventually(t, func() bool {
			for _, e := range all {
				if c := count(e); c < n || c > n+1 {
					return false
				}
			}
			return true
		}, within, tick, "each has %d", n)
	}
	a := start(t, s, "a", set)
	has(64, a)
	b := start(t, s, "b", set)
	has(32, a, b)
	before := map[string]bool{}
	for shard := range 64 {
		before[ShardName("shards", shard)] = a.self(ShardName("shards", shard))
	}
	c := start(t, s, "c", set)
	has(21, a, b, c)
	for name, was := range before {
		if a.self(name) {
			assert.True(t, was, "what stays with the same number does not move")
		}
	}
	begun := time.Now()
	b.Leave(t.Context())
	b.stop()
	has(32, a, c)
	t.Log("who leaves hands over within ", time.Since(begun))
	c.stop()
	has(64, a)
}
