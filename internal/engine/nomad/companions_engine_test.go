//go:build engine

package nomad

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// withJournal gives every container of the group the shared volume with the journal.
func withJournal(g *topology.Group) {
	g.Volumes = append(g.Volumes, topology.Volume{Name: "shared", Ephemeral: &topology.EphemeralVolume{SizeBytes: 16 << 20}})
	for i := range g.Containers {
		c := &g.Containers[i]
		c.Mounts = append(c.Mounts, topology.Mount{Volume: "shared", Path: "/shared"})
		c.Env = append(c.Env, topology.Env{Name: "JOURNAL", Value: "/shared/journal"})
	}
}

func TestContainersStartAndStopInOrder(t *testing.T) {
	for _, tc := range []struct {
		name  string
		roles []topology.Role
	}{
		{"init then companion then main", []topology.Role{topology.Init, topology.Companion, topology.Main}},
		{"companion then main", []topology.Role{topology.Companion, topology.Main}},
		{"init then main", []topology.Role{topology.Init, topology.Main}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.serving()
			g := &top.Groups[0]
			main := g.Containers[0]
			g.Containers = nil
			for _, role := range tc.roles {
				switch role {
				case topology.Init:
					c := r.companion("prepare")
					c.Role, c.Args = topology.Init, []string{"once"}
					// Slow enough that whatever does not wait for it is seen to be first.
					c.Env = append(c.Env, topology.Env{Name: "BEFORE", Value: "1500ms"})
					c.Security.User = new(int64(1001))
					g.Containers = append(g.Containers, c)
				case topology.Companion:
					c := r.companion("logs")
					c.Security.User, c.Security.Group = new(int64(2002)), new(int64(2002))
					g.Containers = append(g.Containers, c)
				default:
					main.Env = append(main.Env, topology.Env{Name: "AFTER", Value: "700ms"})
					g.Containers = append(g.Containers, main)
				}
			}
			withJournal(g)
			r.up(top)
			alloc := r.allocs(top)[0].ID
			assert.Empty(t, r.observe(top).Drift)

			_, _, err := r.client.Jobs().Deregister(top.Name, false, nil)
			require.NoError(t, err)
			ended := func() bool {
				a, _, err := r.client.Allocations().Info(alloc, nil)
				return err == nil && a.ClientStatus == api.AllocClientStatusComplete
			}
			r.eventually(30, ended, "the replica ends")
			got := r.journal(alloc)
			t.Log(strings.Join(got, "; "))
			var want []string
			for _, role := range tc.roles {
				switch role {
				case topology.Init:
					want = append(want, "prepare start uid=1001", "prepare end uid=1001")
				case topology.Companion:
					want = append(want, "logs start uid=2002")
				default:
					want = append(want, "main start uid=65532", "main stopping terminated uid=65532", "main end uid=65532")
				}
			}
			if slices.Contains(tc.roles, topology.Companion) {
				want = append(want, "logs stopping terminated uid=2002", "logs end uid=2002")
			}
			assert.Equal(t, want, got, "every user wrote to the shared volume, in this order")
		})
	}
}

func TestACompanionThatIsKilledAgainAndAgainDisturbsNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	logs := r.companion("logs")
	logs.Args = []string{"serve", ":9090"}
	logs.Ports = []topology.Port{{Name: "mgmt", Number: 9090, Protocol: "tcp"}}
	logs.Probes.Startup = &topology.Probe{HTTP: &topology.HTTPAction{Port: "mgmt", Path: "/"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 30}
	g.Containers = []topology.Container{logs, g.Containers[0]}
	r.up(top)
	endpoint := r.observe(top).Endpoints["http"][0]
	alloc, _, err := r.client.Allocations().Info(r.allocs(top)[0].ID, nil)
	require.NoError(t, err)

	var asked, failed atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for t.Context().Err() == nil && asked.Load() >= 0 {
			if _, err := r.get(endpoint, "/", nil); err != nil {
				failed.Add(1)
			}
			if asked.Add(1) > 1<<40 {
				return
			}
		}
	}()
	for range 6 {
		restarts := func() uint64 {
			a, _, err := r.client.Allocations().Info(alloc.ID, nil)
			require.NoError(t, err)
			return a.TaskStates["logs"].Restarts
		}
		before := restarts()
		require.NoError(t, r.client.Allocations().Signal(alloc, nil, "logs", "SIGKILL"))
		r.eventually(30, func() bool { return restarts() > before }, "the companion restarts")
		r.eventually(30, func() bool {
			a, _, _ := r.client.Allocations().Info(alloc.ID, nil)
			return a.TaskStates["logs"].State == "running"
		}, "the companion runs again")
	}
	asked.Store(1 << 41)
	<-done
	t.Logf("%d failed", failed.Load())
	assert.Zero(t, failed.Load(), "no request to main failed")
	now := r.allocs(top)
	require.Len(t, now, 1)
	assert.Equal(t, alloc.ID, now[0].ID)
	assert.Zero(t, now[0].TaskStates["main"].Restarts, "main was not restarted")
	assert.Equal(t, "ready", r.observe(top).Phase)
	require.NoError(t, r.engine.Wait(within(t, 30), top, nil), "earlier restarts do not count against it")

	g.Update.ProgressSeconds++ // which Nomad changes in place
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil), "nor against the next version")
	require.Len(t, r.allocs(top), 1)
	assert.Equal(t, alloc.ID, r.allocs(top)[0].ID)
}
