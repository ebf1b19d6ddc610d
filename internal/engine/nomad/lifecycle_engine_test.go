//go:build engine

package nomad

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestAnInstanceIsMadeObservedAndDeleted(t *testing.T) {
	r := newRig(t)
	top := r.serving()
	r.requests.take()
	r.up(top)
	made := r.requests.take()
	t.Logf("first apply: %d requests %q", len(made), made)
	assert.LessOrEqual(t, len(made), 15, "requests of a first apply")

	o := r.observe(top)
	seen := r.requests.take()
	t.Logf("refresh: %d requests %q", len(seen), seen)
	assert.LessOrEqual(t, len(seen), 3, "requests of a refresh")
	assert.Empty(t, o.Drift)
	assert.Equal(t, "ready", o.Phase, o.Message)
	assert.Equal(t, top.Revision(), o.Revision)
	assert.Equal(t, engine.GroupStatus{Desired: 1, Ready: 1, Updated: 1}, o.Groups["main"])
	assert.Equal(t, "hello from main\n", r.ask(top, "/"))

	later := *top
	later.Groups = append([]topology.Group(nil), top.Groups...)
	later.Groups[0].Update.ProgressSeconds = 999
	assert.Empty(t, r.observe(&later).Drift, "another time-out is no drift")

	record, err := r.engine.Lookup(within(t, 10), top.Key())
	require.NoError(t, err)
	assert.True(t, record.Complete)
	assert.JSONEq(t, string(top.Spec), string(record.Spec))

	before := r.allocs(top)[0].ID
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Equal(t, before, r.allocs(top)[0].ID, "the same revision restarts nothing")

	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	_, err = r.engine.Observe(within(t, 10), top)
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()), "deleting twice does no harm")
}
