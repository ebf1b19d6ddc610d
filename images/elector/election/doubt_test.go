package election

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// doubtful is a way to the store on which the next write of an election is lost, or its answer is, and then elections are neither
// read nor told of.
type doubtful struct {
	store.Store
	mu   sync.Mutex
	next string       // "answer lost" or "late"
	cut  bool         // for elections
	late func() error // writes what is on its way
}

func isElection(key string) bool { return strings.HasPrefix(key, "election-") }

func (d *doubtful) Get(ctx context.Context, key string) (store.Record, error) {
	d.mu.Lock()
	cut := d.cut && isElection(key)
	d.mu.Unlock()
	if cut {
		return store.Record{}, errCut
	}
	return d.Store.Get(ctx, key)
}

func (d *doubtful) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !isElection(key) || d.next == "" && !d.cut:
		return d.Store.Put(ctx, key, value, version)
	case d.next == "answer lost":
		_, _ = d.Store.Put(ctx, key, value, version)
		d.cut = true
	case d.next == "late":
		d.late = func() error { _, err := d.Store.Put(context.WithoutCancel(ctx), key, value, version); return err }
	}
	d.next = ""
	return "", errCut
}

func (d *doubtful) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	d.Store.Watch(ctx, keys, func(r store.Record) {
		d.mu.Lock()
		cut := d.cut && isElection(r.Key)
		d.mu.Unlock()
		if !cut {
			tell(r)
		}
	})
}

func (d *doubtful) set(next string, cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next, d.cut = next, cut
}

// doubtfully starts an elector that leads, whose next write of an election is in doubt, and another one.
func doubtfully(t *testing.T) (a, b *elector, way *doubtful) {
	s := store.NewMemory()
	a = start(t, s, "a", func(o *Options) {
		way = &doubtful{Store: s}
		o.Store = way
	})
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	b = start(t, s, "b", nil)
	require.Eventually(t, func() bool { return a.Joined() && b.Joined() }, within, tick)
	return a, b, way
}

func TestWhoMayHaveHandedOverLeadsNoMore(t *testing.T) {
	a, b, way := doubtfully(t)
	way.set("answer lost", false)
	require.Error(t, a.Resign(t.Context(), "one", "b"))
	require.Eventually(t, func() bool { return b.self("one") }, within, tick, "it was written")
	for range 40 {
		require.False(t, a.self("one"), "two leaders")
		<-time.After(10 * time.Millisecond)
	}
	way.set("", false)
	require.True(t, b.self("one"))
}

func TestWhatWasHandedOverLate(t *testing.T) {
	a, b, way := doubtfully(t)
	way.set("late", false)
	require.Error(t, a.Resign(t.Context(), "one", "b"))
	before, err := a.Status("one")
	require.NoError(t, err)
	require.False(t, before.Self, "what is on its way may still be written")
	require.Eventually(t, func() bool { return a.self("one") }, within, tick, "it is written again, and is certain")
	require.ErrorIs(t, way.late(), store.ErrConflict, "what was on its way is too late")
	after, err := a.Status("one")
	require.NoError(t, err)
	assert.Equal(t, before.Term, after.Term)
	assert.False(t, b.self("one"))
}
