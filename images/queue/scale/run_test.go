package scale

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite"
)

// number is an engine that only counts, and fails at first.
type number struct {
	mu    sync.Mutex
	n     int
	fails int
}

func (e *number) Replicas(context.Context, string) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fails > 0 {
		e.fails--
		return 0, errors.New("the engine is away")
	}
	return e.n, nil
}

func (e *number) Scale(_ context.Context, _ string, _, to int, _ string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n = to
	return nil
}

func (e *number) is(n int) func() bool {
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.n == n
	}
}

func TestFromZeroAndBackOverARealStore(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := sqlite.Open(ctx, t.TempDir(), store.Options{Now: time.Now, DeduplicationWindow: func() time.Duration { return time.Minute }})
	require.NoError(t, err)
	defer s.Close()
	e := &number{fails: 1}
	var log bytes.Buffer
	scaler := New(s, e, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	c := stages(0, 5, 1)
	w := c.Stages["resize"].Workers
	w.ScaleInAfter = settings.Duration(time.Second)
	c.Stages["resize"] = config.Stage{Workers: w}
	scaler.Apply(c)
	ended := make(chan struct{})
	go func() { scaler.Run(ctx); close(ended) }()

	_, err = s.Enqueue(ctx, []store.NewItem{{Stage: "resize", Name: "a"}, {Stage: "resize", Name: "b"}})
	require.NoError(t, err)
	scaler.Wake()
	require.Eventually(t, e.is(2), 10*time.Second, 10*time.Millisecond, "one for each item")
	items, err := s.Receive(ctx, store.Receive{Stage: "resize", Worker: "w-1", Index: 1, Max: 1, Until: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Len(t, items, 1)
	first, err := s.Receive(ctx, store.Receive{Stage: "resize", Worker: "w-0", Index: 0, Max: 1, Until: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	_, err = s.Commit(ctx, []store.Commit{{Lease: first[0].Lease}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { m, err := s.Mark(ctx, MarkKey("resize")); return err == nil && m == "1" }, 10*time.Second, 10*time.Millisecond)
	assert.Never(t, func() bool { return !e.is(2)() }, Grace+2*Interval, 50*time.Millisecond, "the highest index is at work")
	_, err = s.Commit(ctx, []store.Commit{{Lease: items[0].Lease}})
	require.NoError(t, err)
	require.Eventually(t, e.is(0), 20*time.Second, 10*time.Millisecond)
	stop()
	<-ended
	assert.Contains(t, log.String(), "the engine is away")
	assert.Contains(t, log.String(), `msg=scaled stage=resize from=0 to=2 why="2 items are to be done, and how long one takes is not known yet"`)
	assert.Contains(t, log.String(), "now nothing is to be done")
}
