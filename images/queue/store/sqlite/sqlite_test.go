package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

func options() store.Options {
	return store.Options{Now: time.Now, DeduplicationWindow: func() time.Duration { return time.Minute }}
}

func TestItemsSurviveAReopening(t *testing.T) {
	ctx, directory := t.Context(), t.TempDir()
	s, err := Open(ctx, directory, options())
	require.NoError(t, err)
	_, err = s.Enqueue(ctx, []store.NewItem{{Stage: "resize", Name: "a.png", Payload: store.Payload{Data: []byte("picture"), Size: 7}}})
	require.NoError(t, err)
	items, err := s.Receive(ctx, store.Receive{Stage: "resize", Worker: "w", Max: 1, Until: time.Now().Add(time.Minute)})
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.NoError(t, s.Close())

	s, err = Open(ctx, directory, options())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	item, err := s.Get(ctx, "resize", "a.png")
	require.NoError(t, err)
	assert.Equal(t, api.InFlight, item.State)
	assert.Equal(t, "picture", string(item.Payload.Data))
	errs, err := s.Commit(ctx, []store.Commit{{
		Lease: items[0].Lease, Items: []store.NewItem{{Stage: "join", Name: "a"}}, Results: []store.NewResult{{Name: "a"}},
	}})
	require.NoError(t, err)
	assert.Equal(t, []error{nil}, errs)
	errs, err = s.Commit(ctx, []store.Commit{{Lease: items[0].Lease}})
	require.NoError(t, err)
	assert.Equal(t, []error{store.ErrLeaseLost}, errs)
	stats, err := s.Stats(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 1, stats.Stages["resize"].Counts[api.Done])
	assert.EqualValues(t, 1, stats.Stages["join"].Counts[api.Waiting])
	assert.EqualValues(t, 1, stats.Results)
	all, err := s.List(ctx, store.Query{Stage: "join", Limit: 10})
	require.NoError(t, err)
	require.Len(t, all, 1)
	input, made, results, err := s.Family(ctx, items[0].ID)
	require.NoError(t, err)
	assert.Nil(t, input)
	assert.Len(t, made, 1)
	assert.Len(t, results, 1)
	_, more, err := s.Tick(ctx, func(string) store.Rule { return store.Rule{} }, 10)
	require.NoError(t, err)
	assert.False(t, more)
}
