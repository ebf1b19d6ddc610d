//go:build engine

package nomad

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// probed is a serving instance whose readiness probe asks a path.
func (r *rig) probed(path string, timeout int) *topology.Topology {
	t := r.serving()
	t.Groups[0].Update.ProgressSeconds = 30
	return asks(t, path, timeout)
}

// asks gives a copy of an instance whose readiness probe asks another path.
func asks(t *topology.Topology, path string, timeout int) *topology.Topology {
	out := *t
	out.Groups = append([]topology.Group(nil), t.Groups...)
	g := &out.Groups[0]
	g.Containers = append([]topology.Container(nil), g.Containers...)
	g.Containers[0].Probes.Readiness = &topology.Probe{HTTP: &topology.HTTPAction{Port: "http", Path: path}, PeriodSeconds: 1, TimeoutSeconds: timeout, FailureThreshold: 3}
	return &out
}

// change applies, waits, and returns the only replica that is left.
func (r *rig) change(t *topology.Topology) string {
	r.Helper()
	require.NoError(r, r.engine.Apply(within(r, 30), t, engine.ApplyOptions{}))
	if err := r.engine.Wait(within(r, 90), t, func(s string) { r.Log(s) }); err != nil {
		r.tell(t)
		require.NoError(r, err)
	}
	r.eventually(30, func() bool { return len(r.allocs(t)) == 1 }, "one replica is left")
	o := r.observe(t)
	assert.Empty(r, o.Drift)
	assert.Equal(r, engine.GroupStatus{Desired: 1, Ready: 1, Updated: 1}, o.Groups["main"])
	return r.allocs(t)[0].ID
}

// The probe is asked most of the time, so that the change comes while it is. Were the allocation updated in place, Nomad's
// client would keep the old check as failed, and might crash: without the marks this is no test for a cluster that others use.
func TestAnUpdateOfASlowProbeBecomesReady(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.probed("/slow?for=4s", 6)
	r.up(top)
	old := r.allocs(top)[0].ID
	assert.NotEqual(t, old, r.change(asks(top, "/", 1)))
}

func TestOtherChecksReplaceTheReplicas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.probed("/", 1)
	r.up(top)
	first := r.allocs(top)[0].ID

	// What does not concern the checks is done in place still.
	later := asks(top, "/", 1)
	later.Groups[0].Update.ProgressSeconds++
	require.Equal(t, first, r.change(later))

	second := r.change(asks(top, "/args", 1))
	assert.NotEqual(t, first, second)

	without := asks(top, "/", 1)
	without.Groups[0].Containers[0].Probes = topology.Probes{}
	third := r.change(without)
	assert.NotEqual(t, second, third)
	assert.NotEqual(t, third, r.change(top))
}

func TestAnUpdateOfAProbeThatFailsIsRolledBackToTheReplicaThatServes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.probed("/", 1)
	r.up(top)
	old := r.allocs(top)[0].ID
	bad := asks(top, "/file", 1)
	bad.Groups[0].Update.ProgressSeconds = 15
	require.NoError(t, r.engine.Apply(within(t, 30), bad, engine.ApplyOptions{}))
	require.Error(t, r.engine.Wait(within(t, 60), bad, nil))
	assert.Equal(t, old, r.change(top))
}

func TestReplicasOfAProviderThatKnewNoMarksAreReplacedWithTheirChecksOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.probed("/", 1)
	top.Groups[0].Replicas = nil
	r.up(top)
	job, _, err := r.client.Jobs().Info(top.Name, nil)
	require.NoError(t, err)
	require.NotEmpty(t, job.TaskGroups[0].Meta[metaChecks])
	delete(job.TaskGroups[0].Meta, metaChecks)
	_, _, err = r.client.Jobs().Register(job, nil)
	require.NoError(t, err)
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	r.eventually(30, func() bool { return len(r.allocs(top)) == 1 }, "one replica is left")
	old := r.allocs(top)[0].ID

	o := r.observe(top)
	assert.Empty(t, o.Drift)
	assert.Equal(t, engine.GroupStatus{Desired: 1, Ready: 1, Updated: 1}, o.Groups["main"])
	assert.Equal(t, old, r.change(top))
	later := asks(top, "/", 1)
	later.Groups[0].Update.ProgressSeconds++
	assert.Equal(t, old, r.change(later))
	two := 2
	_, _, err = r.client.Jobs().Scale(top.Name, "main", &two, "test", false, nil, nil)
	require.NoError(t, err)
	require.NoError(t, r.engine.Wait(within(t, 60), later, nil))
	assert.Empty(t, r.observe(later).Drift)
	assert.Contains(t, r.running(top, "main"), old)
	one := 1
	_, _, err = r.client.Jobs().Scale(top.Name, "main", &one, "test", false, nil, nil)
	require.NoError(t, err)
	require.NoError(t, r.engine.Wait(within(t, 60), later, nil))
	r.eventually(30, func() bool { return len(r.allocs(top)) == 1 }, "one replica is left")
	old = r.allocs(top)[0].ID
	assert.NotEqual(t, old, r.change(asks(later, "/args", 1)))
}
