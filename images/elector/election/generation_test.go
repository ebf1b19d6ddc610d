package election

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// losing is a store that may lose its table, and goes on with one of the next generation.
type losing struct {
	mu         sync.Mutex
	table      *store.Memory
	generation uint64
	lost       chan struct{}
}

func (l *losing) now() (*store.Memory, uint64, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table, l.generation, l.lost
}

func (l *losing) lose(next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table, l.generation = store.NewMemory(), next
	close(l.lost)
	l.lost = make(chan struct{})
}

func in(generation uint64, r store.Record) store.Record {
	r.Version, r.Generation = strconv.FormatUint(generation, 10)+"-"+r.Version, generation
	return r
}

func (l *losing) Get(ctx context.Context, key string) (store.Record, error) {
	table, generation, _ := l.now()
	r, err := table.Get(ctx, key)
	return in(generation, r), err
}

func (l *losing) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	table, generation, _ := l.now()
	was, same := strings.CutPrefix(version, strconv.FormatUint(generation, 10)+"-")
	if !same {
		return "", store.ErrConflict
	}
	is, err := table.Put(ctx, key, value, was)
	return in(generation, store.Record{Version: is}).Version, err
}

func (l *losing) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	for ctx.Err() == nil {
		table, generation, lost := l.now()
		until, stop := context.WithCancel(ctx)
		go func() {
			defer stop()
			select {
			case <-lost:
			case <-ctx.Done():
			}
		}()
		table.Watch(until, keys, func(r store.Record) { tell(in(generation, r)) })
	}
}

func TestTermsGoOnAboveAGenerationThatWasLost(t *testing.T) {
	t.Parallel()
	table := &losing{table: store.NewMemory(), generation: 1000, lost: make(chan struct{})}
	all := []*elector{start(t, table, "a", nil), start(t, table, "b", nil)}
	leads := func(least uint64) (leader *elector) {
		t.Helper()
		require.Eventually(t, func() bool {
			for _, e := range all {
				if s, _ := e.Status("one"); s.Self && s.Term >= least {
					leader = e
					return true
				}
			}
			return false
		}, within, tick)
		return leader
	}
	first := leads(1000)
	s, _ := first.Status("one")
	assert.Equal(t, uint64(1000), s.Term)
	require.NoError(t, first.Resign(t.Context(), "one", ""))
	leads(1001)
	table.lose(5000)
	next := leads(5000)
	s, _ = next.Status("one")
	assert.Equal(t, uint64(5000), s.Term)
	for _, e := range all {
		require.Eventually(t, func() bool { s, _ := e.Status("one"); return e.Joined() && s.Leader == next.Member && s.Term == 5000 }, within, tick, "all are in the new one")
	}
}
