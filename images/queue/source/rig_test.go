package source

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite"
)

var ctx = context.Background()

// errEnded is what a server sees that is at its end.
var errEnded = errors.New("the server has ended")

// queue is a real store, with a server before it that can end after some writes.
type queue struct {
	*testing.T
	*sqlite.Store
	mu     sync.Mutex
	left   int // writes until the end; negative is never
	now    time.Time
	asks   int // enqueued items
	marked int
}

func newQueue(t *testing.T) *queue {
	t.Helper()
	s, err := sqlite.Open(ctx, t.TempDir(), store.Options{Now: time.Now, DeduplicationWindow: func() time.Duration { return time.Minute }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &queue{T: t, Store: s, left: -1, now: time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)}
}

func (q *queue) write() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left == 0 {
		return errEnded
	}
	q.left--
	return nil
}

func (q *queue) Enqueue(ctx context.Context, items []store.NewItem) ([]store.Enqueued, error) {
	if err := q.write(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.asks += len(items)
	q.mu.Unlock()
	return q.Store.Enqueue(ctx, items)
}

func (q *queue) SetMark(ctx context.Context, key, value string) error {
	if err := q.write(); err != nil {
		return err
	}
	q.mu.Lock()
	q.marked++
	q.mu.Unlock()
	return q.Store.SetMark(ctx, key, value)
}

// passed is a pause that is over.
var passed = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()

// server begins anew: all that it knows is in the store.
func (q *queue) server(c *config.Config, buckets ...Bucket) *Reader {
	r := New(Options{
		Store: q, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return q.now },
		Keep: func(_ context.Context, content io.Reader) (store.Payload, error) {
			data, err := io.ReadAll(content)
			return store.Payload{Data: data, Size: int64(len(data))}, err
		},
		Bucket: func(string) (Bucket, error) { return buckets[0], nil },
	})
	r.after = func(time.Duration) <-chan time.Time { return passed }
	r.Apply(c)
	return r
}

// look once at all sources.
func (q *queue) look(r *Reader) error {
	var errs []error
	for _, f := range feeds(r.current()) {
		errs = append(errs, r.look(ctx, f))
	}
	return errors.Join(errs...)
}

// items of a stage by name.
func (q *queue) items(stage string) map[string]store.Item {
	q.Helper()
	out := map[string]store.Item{}
	for after := int64(0); ; {
		page, err := q.List(ctx, store.Query{Stage: stage, After: after, Limit: 1000})
		require.NoError(q, err)
		for _, i := range page {
			out[i.Name] = i
			after = i.ID
		}
		if len(page) == 0 {
			return out
		}
	}
}

// finish all items of a stage, and forget that they ever were.
func (q *queue) finish(stage string) (n int) {
	q.Helper()
	for {
		items, err := q.Receive(ctx, store.Receive{Stage: stage, Worker: "w", Max: 100, Until: time.Now().Add(time.Minute)})
		require.NoError(q, err)
		if len(items) == 0 {
			break
		}
		commits := make([]store.Commit, len(items))
		for i, item := range items {
			commits[i].Lease = item.Lease
		}
		errs, err := q.Commit(ctx, commits)
		require.NoError(q, err)
		require.NoError(q, errors.Join(errs...))
		n += len(items)
	}
	for {
		forgotten, err := q.Forget(ctx, time.Now().Add(time.Hour), 1000)
		require.NoError(q, err)
		if forgotten == 0 {
			break
		}
	}
	require.Empty(q, q.items(stage))
	return n
}

func (q *queue) status(r *Reader) api.SourceStatus {
	q.Helper()
	s, err := r.Status(ctx)
	require.NoError(q, err)
	return s
}

func pipeline(in config.Input, froms ...[]string) *config.Config {
	c := &config.Config{Stages: map[string]config.Stage{}, Input: in}
	for i, from := range froms {
		c.Stages[string(rune('a'+i))] = config.Stage{From: from}
	}
	if len(froms) == 0 {
		c.Stages["a"] = config.Stage{}
	}
	return c
}
