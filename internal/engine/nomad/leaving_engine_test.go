//go:build engine

package nomad

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// with gives a copy of an instance with one more group, of a name.
func (r *rig) with(top *topology.Topology, name string, args ...string) *topology.Topology {
	out := *top
	g := top.Groups[0]
	g.Name = name
	g.Services = []topology.Service{{Name: top.Name + "-" + name, Headless: true, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
	g.Containers = []topology.Container{r.main()}
	if len(args) > 0 {
		g.Containers[0].Args = args
	}
	out.Groups = append(append([]topology.Group(nil), top.Groups...), g)
	return &out
}

// running are the replicas of a group that run, by their IDs.
func (r *rig) running(top *topology.Topology, group string) (out []string) {
	for _, a := range r.allocs(top) {
		if a.TaskGroup == group && a.ClientStatus == "running" {
			out = append(out, a.ID)
		}
	}
	return out
}

func TestAGroupThatGoesServesUntilTheOthersAreReady(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	old := r.with(top, "old")
	r.up(old)
	served := r.running(top, "old")
	require.Len(t, served, 1)

	bad := r.with(top, "new", "fail", "1")
	require.NoError(t, r.engine.Apply(within(t, 30), bad, engine.ApplyOptions{}))
	var not *engine.NotReadyError
	require.True(t, errors.As(r.engine.Wait(within(t, 90), bad, nil), &not))
	assert.Equal(t, "new", not.Group)
	assert.Equal(t, served, r.running(top, "old"), "the new group is not ready, so the old one serves")
	for _, d := range r.observe(bad).Drift {
		assert.NotContains(t, d.Field, ".old", "it is meant to be there")
	}

	require.NoError(t, r.engine.Apply(within(t, 30), old, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 90), old, func(s string) { t.Log(s) }))
	assert.Equal(t, served, r.running(top, "old"), "it was rolled back, and nothing of it was restarted")
	r.eventually(30, func() bool { return len(r.running(top, "new")) == 0 }, "the group that has failed is gone")
	assert.Empty(t, r.observe(old).Drift)

	next := r.with(top, "new")
	require.NoError(t, r.engine.Apply(within(t, 30), next, engine.ApplyOptions{}))
	assert.Equal(t, served, r.running(top, "old"), "it is there while the other comes")
	require.NoError(t, r.engine.Wait(within(t, 90), next, func(s string) { t.Log(s) }))
	assert.Len(t, r.running(top, "new"), 1)
	r.eventually(30, func() bool { return len(r.running(top, "old")) == 0 }, "it has gone")
	o := r.observe(next)
	assert.Empty(t, o.Drift)
	assert.Equal(t, "ready", o.Phase, o.Message)
}

// An apply that ended before its wait did is taken up by the next, be it of the same groups or of others.
func TestAGroupThatGoesIsForgottenByNoApply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	old := r.with(top, "old")
	r.up(old)
	one, two := r.with(top, "one"), r.with(top, "two")
	require.NoError(t, r.engine.Apply(within(t, 30), one, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Apply(within(t, 30), two, engine.ApplyOptions{}))
	assert.Len(t, r.running(top, "old"), 1)
	require.NoError(t, r.engine.Apply(within(t, 30), two, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 90), two, func(s string) { t.Log(s) }))
	r.eventually(30, func() bool { return len(r.running(top, "old"))+len(r.running(top, "one")) == 0 }, "both have gone")
	assert.Len(t, r.running(top, "two"), 1)
	assert.Empty(t, r.observe(two).Drift)
}
