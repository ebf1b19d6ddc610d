package election

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

func TestASlowApplicationDelaysNeitherTheClockNorOthers(t *testing.T) {
	s := store.NewMemory()
	slow := 3 * steady.Duration
	a := start(t, s, "a", func(o *Options) {
		o.Sets = map[string]int{"shards": 8}
		o.Demoted = func(ctx context.Context, _ string) {
			select {
			case <-ctx.Done():
			case <-time.After(slow):
			}
		}
	})
	require.Eventually(t, func() bool { return a.self("shards/7") && a.self("one") }, within, tick)
	b := start(t, s, "b", func(o *Options) { o.Sets = map[string]int{"shards": 8} })
	begun := time.Now()
	require.Eventually(t, func() bool {
		require.True(t, a.self("one"), "it goes on renewing, %s after", time.Since(begun))
		n := 0
		for shard := range 8 {
			if b.self(ShardName("shards", shard)) {
				n++
			}
		}
		return n == 4
	}, within, tick)
	assert.GreaterOrEqual(t, time.Since(begun), slow, "the application is waited for")
	assert.Less(t, time.Since(begun), 3*slow, "once, and not for each election")
}

func TestTheSeatIsTheLeavingOnesUntilTheApplicationKnows(t *testing.T) {
	s := store.NewMemory()
	told, answer := make(chan struct{}, 8), make(chan struct{})
	a := start(t, s, "a", func(o *Options) { o.Demoted = func(context.Context, string) { told <- struct{}{}; <-answer } })
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	b := start(t, s, "b", nil)
	require.Eventually(t, b.Joined, within, tick)
	resigned := make(chan error, 2)
	for range 2 { // at once
		go func() { resigned <- a.Resign(t.Context(), "one", "b") }()
	}
	<-told
	<-told
	is, _ := a.Status("one")
	assert.Equal(t, Status{Term: 1, Leaving: true}, is)
	<-time.After(2 * steady.RetryPeriod)
	assert.False(t, b.self("one"))
	close(answer)
	require.NoError(t, <-resigned)
	require.NoError(t, <-resigned)
	require.Eventually(t, func() bool { return b.self("one") }, within, tick)
	is, _ = a.Status("one")
	assert.False(t, is.Leaving)
	assert.Empty(t, a.leaving)
}

func TestAThousandSeatsAreLeftTogether(t *testing.T) {
	s := store.NewMemory()
	sets := func(o *Options) { o.Sets = map[string]int{"shards": 1000} }
	a := start(t, s, "a", func(o *Options) {
		sets(o)
		o.Demoted = func(context.Context, string) { <-time.After(20 * time.Millisecond) }
	})
	last := ShardName("shards", 999)
	require.Eventually(t, func() bool { return a.self(last) }, within, tick)
	b := start(t, s, "b", sets)
	require.Eventually(t, b.Joined, within, tick)
	begun := time.Now()
	a.Leave(t.Context())
	assert.Less(t, time.Since(begun), 10*time.Second)
	for shard := range 1000 {
		require.False(t, a.self(ShardName("shards", shard)))
	}
	require.Eventually(t, func() bool {
		n := 0
		for shard := range 1000 {
			if b.self(fmt.Sprint("shards/", shard)) {
				n++
			}
		}
		return n == 1000
	}, within, tick)
}
