//go:build engine

package nomad

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// stick an update of an instance that needs no other replica: it comes while the node has room for nothing, since a replica
// of another instance ends and its successor has the same port. It returns the replica.
//
// Who calls it may not run parallel to others, whose updates would stick as well.
func (r *rig) stick(t *topology.Topology) *api.AllocationListStub {
	r.Helper()
	other := r.serving()
	g := &other.Groups[0]
	g.Services = []topology.Service{{Name: other.Name, Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http", NodePort: 18081}}}}
	g.Termination.DrainSeconds = 5
	r.up(other)
	r.up(t)
	old := r.allocs(t)
	require.Len(r, old, 1)

	g.Containers[0].Env = append(g.Containers[0].Env, topology.Env{Name: "ROUND"})
	round := &g.Containers[0].Env[len(g.Containers[0].Env)-1]
	waits := func() bool {
		list, _, err := r.client.Jobs().Allocations(other.Name, true, nil)
		require.NoError(r, err)
		states := map[string]bool{}
		for _, a := range list {
			states[a.DesiredStatus+", "+a.ClientStatus] = true
		}
		return states["stop, running"] && states["run, pending"]
	}
	for n := 2; !waits(); n++ { // on a busy machine the moment may pass unseen
		require.Less(r, n, 5, "a replica of the other ends, and its successor waits")
		round.Value = strconv.Itoa(n)
		require.NoError(r, r.engine.Apply(within(r, 30), other, engine.ApplyOptions{}))
		for end := time.Now().Add(10 * time.Second); !waits() && time.Now().Before(end); {
			<-time.After(20 * time.Millisecond)
		}
	}

	t.Groups[0].Update.ProgressSeconds += 30 // which concerns no container
	require.NoError(r, r.engine.Apply(within(r, 30), t, engine.ApplyOptions{}))
	var d *api.Deployment
	r.eventually(3, func() bool { d = r.deployment(t); return d != nil }, "its deployment begins")
	if main := d.TaskGroups["main"]; main.DesiredCanaries != 1 || len(main.PlacedCanaries) > 0 {
		r.tell(t)
		require.Fail(r, "the update wants no canary, or has placed it: there was room")
	}
	return old[0]
}

// deployment of the newest version, nil if there is none yet.
func (r *rig) deployment(t *topology.Topology) *api.Deployment {
	r.Helper()
	job, _, err := r.client.Jobs().Info(t.Name, nil)
	require.NoError(r, err)
	d, _, err := r.client.Jobs().LatestDeployment(t.Name, nil)
	require.NoError(r, err)
	if d == nil || d.JobVersion != *job.Version {
		return nil
	}
	return d
}

func TestADeploymentThatWaitsForACanaryItNeedsNoMoreIsFreed(t *testing.T) {
	for _, tc := range []struct {
		name string
		said bool // by the wait
		then func(r *rig, top *topology.Topology)
	}{
		{"by the wait", true, func(*rig, *topology.Topology) {}},
		{"by another apply", false, func(r *rig, top *topology.Topology) {
			r.eventually(30, func() bool {
				d := r.deployment(top)
				return d.TaskGroups["main"].HealthyAllocs == 1
			}, "the replica is healthy")
			assert.Equal(r, api.DeploymentStatusRunning, r.deployment(top).Status)
			require.NoError(r, r.engine.Apply(within(r, 30), top, engine.ApplyOptions{}))
			r.eventually(30, func() bool {
				d := r.deployment(top)
				return d != nil && d.Status == api.DeploymentStatusSuccessful
			}, "the deployment succeeds")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			top := r.serving()
			old := r.stick(top)
			tc.then(r, top)
			var lines []string
			if err := r.engine.Wait(within(t, 60), top, func(s string) { lines = append(lines, s); t.Log(s) }); err != nil {
				r.tell(top)
				require.NoError(t, err)
			}
			now := r.allocs(top)
			require.Len(t, now, 1)
			assert.Equal(t, old.ID, now[0].ID)
			assert.Zero(t, now[0].TaskStates["main"].Restarts)
			assert.Equal(t, old.TaskStates["main"].StartedAt, now[0].TaskStates["main"].StartedAt)
			o := r.observe(top)
			assert.Empty(t, o.Drift)
			assert.Equal(t, "ready", o.Phase, o.Message)
			assert.Equal(t, tc.said, strings.Contains(strings.Join(lines, "\n"), "registered again"), lines)
		})
	}
}
