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

func TestStableReplicasKeepTheirIndexTheirServiceAndTheirVolume(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Identity, g.Replicas = topology.Stable, new(2)
	g.Volumes = []topology.Volume{{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}}}
	c := &g.Containers[0]
	c.Mounts = []topology.Mount{{Volume: "data", Path: "/data"}}
	c.Env = append(c.Env, topology.Env{Name: "INDEX", Field: topology.FieldIndex})
	r.up(top)
	require.Empty(t, r.observe(top).Drift)

	service := g.Services[0]
	at := func(index int) string {
		list, _, err := r.client.Services().Get(IndexedServiceName(service, service.Ports[0], index), nil)
		require.NoError(t, err)
		if len(list) != 1 {
			return ""
		}
		return address0(list[0].Address, list[0].Port)
	}
	for i, name := range []string{"zero", "one"} {
		index, err := r.get(at(i), "/env", values("name", "INDEX"))
		require.NoError(t, err)
		assert.Equal(t, []string{"0", "1"}[i], index)
		_, err = r.get(at(i), "/write", values("path", "/data/name", "text", name))
		require.NoError(t, err)
	}
	c.Env = append(c.Env, topology.Env{Name: "ROUND", Value: "2"})
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 120), top, func(s string) { t.Log(s) }))
	for i, name := range []string{"zero", "one"} {
		got, err := r.get(at(i), "/file", values("path", "/data/name"))
		require.NoError(t, err)
		assert.Equal(t, name, got)
		round, err := r.get(at(i), "/env", values("name", "ROUND"))
		require.NoError(t, err)
		assert.Equal(t, "2", round)
	}
}

func TestDataStaysUnlessItIsToGo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Volumes = []topology.Volume{
		{Name: "kept", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20}},
		{Name: "gone", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}},
		{Name: "host", Persistent: &topology.PersistentVolume{Existing: "data"}},
	}
	for _, v := range g.Volumes {
		g.Containers[0].Mounts = append(g.Containers[0].Mounts, topology.Mount{Volume: v.Name, Path: "/" + v.Name})
	}
	r.up(top)
	for _, v := range []string{"kept", "host"} {
		r.ask(top, "/write", "path", "/"+v+"/"+top.Name, "text", "once")
	}
	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	there, err := r.engine.hostVolumes(within(t, 10), topology.Key{Namespace: "default"})
	require.NoError(t, err)
	assert.Contains(t, there, top.Name+"-kept")
	assert.NotContains(t, there, top.Name+"-gone")

	r.up(top)
	for _, v := range []string{"kept", "host"} {
		assert.Equal(t, "once", r.ask(top, "/file", "path", "/"+v+"/"+top.Name), "the data is there again")
	}
	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	require.NoError(t, r.engine.deleteVolumes(within(t, 30), topology.Key{Namespace: "default"}, []string{top.Name + "-kept"}))
}

func TestABatchJobIsWaitedForToItsEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		args []string
		ok   bool
	}{{"that succeeds", []string{"once"}, true}, {"that fails", []string{"fail", "4"}, false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.serving()
			g := &top.Groups[0]
			g.Identity, g.Replicas, g.Services = topology.ToCompletion, nil, nil
			g.Completion = &topology.Completion{Count: 2, Parallelism: 2, Retries: 1}
			main := r.main()
			main.Args, main.Ports, main.Probes = tc.args, nil, topology.Probes{}
			g.Containers = []topology.Container{r.companion("logs"), main}
			withJournal(g)
			require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
			err := r.engine.Wait(within(t, 60), top, func(s string) { t.Log(s) })
			if !tc.ok {
				var not *engine.NotReadyError
				require.True(t, errors.As(err, &not), "%v", err)
				t.Log(err)
				assert.Equal(t, "main", not.Container)
				assert.Equal(t, "BackoffLimitExceeded", not.Reason)
				assert.Contains(t, not.Message, "failed 2 times", "the first and one retry")
				return
			}
			require.NoError(t, err)
			o := r.observe(top)
			assert.Empty(t, o.Drift)
			assert.Equal(t, "ready", o.Phase, o.Message)
			assert.Equal(t, engine.GroupStatus{Desired: 2, Ready: 2, Updated: 2}, o.Groups["main"])

			r.purge(top.Name) // as Nomad does by itself after some hours
			o = r.observe(top)
			assert.Empty(t, o.Drift)
			assert.Equal(t, "ready", o.Phase, o.Message)
		})
	}
}

func TestANodePortIsTheMachines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Services = append(g.Services, topology.Service{Name: top.Name + "-node", Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http", NodePort: 18080}}})
	r.up(top)
	o := r.observe(top)
	require.Len(t, o.Endpoints[top.Name+"-node/http"], 1)
	assert.Contains(t, o.Endpoints[top.Name+"-node/http"][0], ":18080")
	got, err := r.get(o.Endpoints[top.Name+"-node/http"][0], "/", nil)
	require.NoError(t, err)
	assert.Equal(t, "hello from main\n", got)
	// The port is taken until the old replica has gone.
	g.Containers[0].Env = append(g.Containers[0].Env, topology.Env{Name: "ROUND", Value: "2"})
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Equal(t, "2", r.askAt(r.observe(top).Endpoints[top.Name+"-node/http"][0], "/env", "name", "ROUND"))
}
