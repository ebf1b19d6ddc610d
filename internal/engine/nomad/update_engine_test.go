//go:build engine

package nomad

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestAnUpdateThatFailsLeavesTheOldReplicaServingAndIsRolledBackByTheFormerTopology(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	r.up(top)
	old := r.allocs(top)[0].ID

	bad := *top
	bad.Groups = append([]topology.Group(nil), top.Groups...)
	bad.Groups[0].Containers = []topology.Container{r.main()}
	bad.Groups[0].Containers[0].Args = []string{"fail", "1"}
	require.NoError(t, r.engine.Apply(within(t, 30), &bad, engine.ApplyOptions{}))
	err := r.engine.Wait(within(t, 60), &bad, nil)
	var not *engine.NotReadyError
	require.True(t, errors.As(err, &not), "%v", err)
	assert.Equal(t, "CrashLoopBackOff", not.Reason)
	assert.Equal(t, "hello from main\n", r.ask(top, "/"), "the old replica serves")
	r.eventually(20, func() bool { return r.observe(&bad).Phase == "degraded" }, "and the instance tells of the new one")

	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	if err := r.engine.Wait(within(t, 60), top, func(s string) { t.Log(s) }); err != nil {
		r.tell(top)
		require.NoError(t, err)
	}
	r.eventually(20, func() bool { a := r.allocs(top); return len(a) == 1 && a[0].ID == old }, "the canary is gone, and the old replica was never replaced")
	o := r.observe(top)
	assert.Empty(t, o.Drift)
	assert.Equal(t, "ready", o.Phase, o.Message)
}

func TestAnUpdateThatHasNoPlaceFailsEarlyAndLeavesTheOldReplicaServing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		identity topology.Identity
	}{{"beside the old one", topology.Interchangeable}, {"instead of the old one", topology.Stable}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.serving()
			top.Groups[0].Identity = tc.identity
			r.up(top)
			top.Groups[0].Containers[0].Resources.Requests.MemoryBytes = 1 << 42
			require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
			begun := time.Now()
			err := r.engine.Wait(within(t, 90), top, func(s string) { t.Log(s) })
			var not *engine.NotReadyError
			require.True(t, errors.As(err, &not), "%v", err)
			assert.Equal(t, "Unschedulable", not.Reason)
			assert.Contains(t, not.Message, "memory")
			assert.Less(t, time.Since(begun), time.Minute)
			assert.Equal(t, "hello from main\n", r.ask(top, "/"))
		})
	}
}

func TestAnUpdateLosesNoRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Groups[0].Termination.DrainSeconds = 2
	r.up(top)

	// A client as they are: it asks for the addresses once a second at most, and sends to one of them.
	var asked, failed atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			list, _, err := r.client.Services().Get(top.Name, nil)
			if err != nil || len(list) == 0 {
				failed.Add(1)
			}
			for range 20 {
				select {
				case <-stop:
					return
				default:
				}
				for _, s := range list {
					asked.Add(1)
					if _, err := r.get(fmt.Sprintf("%s:%d", s.Address, s.Port), "/", nil); err != nil {
						t.Log(err)
						failed.Add(1)
					}
				}
			}
		}
	}()
	for i := range 2 {
		next := *top
		next.Groups = append([]topology.Group(nil), top.Groups...)
		next.Groups[0].Containers = []topology.Container{r.main()}
		next.Groups[0].Containers[0].Env = append(r.main().Env, topology.Env{Name: "ROUND", Value: fmt.Sprint(i)})
		require.NoError(t, r.engine.Apply(within(t, 30), &next, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 60), &next, nil))
		r.eventually(30, func() bool { return len(r.allocs(top)) == 1 }, "the old replica goes")
	}
	close(stop)
	<-done
	t.Logf("%d requests", asked.Load())
	assert.Zero(t, failed.Load())
	assert.Greater(t, asked.Load(), int64(100))
}

func TestReplicasOfAnAutoscalerAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Groups[0].Replicas = nil
	r.up(top)
	require.Equal(t, 1, r.observe(top).Groups["main"].Desired)
	three := 3
	_, _, err := r.client.Jobs().Scale(top.Name, "main", &three, "test", false, nil, nil)
	require.NoError(t, err)
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	o := r.observe(top)
	assert.Empty(t, o.Drift, "the autoscaler's count is no drift")
	assert.Equal(t, 3, o.Groups["main"].Desired)
	assert.Len(t, o.Endpoints["http"], 3)

	next := *top
	next.Groups = append([]topology.Group(nil), top.Groups...)
	next.Groups[0].Containers = []topology.Container{r.main()}
	next.Groups[0].Containers[0].Env = append(r.main().Env, topology.Env{Name: "ROUND", Value: "2"})
	require.NoError(t, r.engine.Apply(within(t, 30), &next, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 90), &next, nil))
	o = r.observe(&next)
	assert.Equal(t, engine.GroupStatus{Desired: 3, Ready: 3, Updated: 3}, o.Groups["main"])
	assert.Empty(t, o.Drift)
}

func TestDriftNamesTheFieldAndIsRepaired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Configs = []topology.Config{{Name: "conf", Reload: true, Files: map[string]string{"a.txt": "one"}}}
	g := &top.Groups[0]
	g.Volumes = []topology.Volume{{Name: "conf", Config: "conf"}}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "conf", Path: "/conf"}}
	r.up(top)
	require.Empty(t, r.observe(top).Drift)

	job, _, err := r.client.Jobs().Info(top.Name, nil)
	require.NoError(t, err)
	job.TaskGroups[0].Count = new(2)
	job.TaskGroups[0].Tasks[0].Env["NAME"] = "somebody else"
	_, _, err = r.client.Jobs().Register(job, nil)
	require.NoError(t, err)
	v, _, err := r.client.Variables().Read(variablePath(top.Name), nil)
	require.NoError(t, err)
	v.Items[configItem("conf", "a.txt")] = "two"
	_, _, err = r.client.Variables().Update(v, nil)
	require.NoError(t, err)

	o := r.observe(top)
	var fields []string
	for _, d := range o.Drift {
		fields = append(fields, d.String())
	}
	ns := "default/" + top.Name
	assert.Equal(t, []string{
		`job ` + ns + ` .main.Count: want "1", have "2"`,
		`job ` + ns + ` .main.main.Env[NAME]: want ` + engine.Digest("main") + `, have ` + engine.Digest("somebody else"),
		`variable ` + ns + ` config/conf/a.txt: want ` + engine.Digest("one") + `, have ` + engine.Digest("two"),
	}, replaceAll(fields, "default/nomad/jobs/"+top.Name, ns))
	assert.Equal(t, 2, o.Groups["main"].Desired)

	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Empty(t, r.observe(top).Drift)
	r.eventually(20, func() bool { return len(r.allocs(top)) == 1 }, "the surplus replica goes")

	r.purge(top.Name)
	o = r.observe(top)
	require.NotEmpty(t, o.Drift)
	assert.Equal(t, "missing", o.Drift[0].Have)
	assert.Equal(t, "degraded", o.Phase)
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Empty(t, r.observe(top).Drift)
}

func replaceAll(in []string, old, by string) (out []string) {
	for _, s := range in {
		out = append(out, strings.ReplaceAll(s, old, by))
	}
	return out
}

func TestAChangedConfigReachesTheFileWithoutARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	tricky := "a: {{ .B }}\n<0{ \"quoted\" ${NOMAD_ALLOC_ID} %{if} \t}} ü\n"
	top.Configs = []topology.Config{
		{Name: "live", Reload: true, Files: map[string]string{"a.yaml": tricky, "b.yaml": "b"}},
		{Name: "fixed", Files: map[string]string{"c.yaml": tricky, "empty": ""}},
	}
	g := &top.Groups[0]
	g.Volumes = []topology.Volume{{Name: "live", Config: "live"}, {Name: "fixed", Config: "fixed"}}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "live", Path: "/etc/live"}, {Volume: "fixed", Path: "/etc/fixed"}, {Volume: "fixed", Path: "/etc/one.yaml", SubPath: "c.yaml"}}
	r.up(top)
	assert.Equal(t, tricky, r.ask(top, "/file", "path", "/etc/live/a.yaml"))
	assert.Equal(t, tricky, r.ask(top, "/file", "path", "/etc/fixed/c.yaml"))
	assert.Equal(t, tricky, r.ask(top, "/file", "path", "/etc/one.yaml"))
	assert.Equal(t, "", r.ask(top, "/file", "path", "/etc/fixed/empty"))
	alloc := r.allocs(top)[0].ID

	next := *top
	next.Configs = append([]topology.Config(nil), top.Configs...)
	next.Configs[0].Files = map[string]string{"a.yaml": "changed " + tricky, "b.yaml": "b"}
	require.NoError(t, r.engine.Apply(within(t, 30), &next, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), &next, nil))
	r.eventually(20, func() bool { return r.ask(&next, "/file", "path", "/etc/live/a.yaml") == "changed "+tricky }, "the change arrives")
	now := r.allocs(top)
	require.Len(t, now, 1)
	assert.Equal(t, alloc, now[0].ID)
	assert.Zero(t, now[0].TaskStates["main"].Restarts)

	next.Configs[1].Files = map[string]string{"c.yaml": "other"}
	require.NoError(t, r.engine.Apply(within(t, 30), &next, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), &next, nil))
	r.eventually(20, func() bool { a := r.allocs(top); return len(a) == 1 && a[0].ID != alloc }, "a config that does not reload replaces the replica")
	assert.Equal(t, "other", r.ask(&next, "/file", "path", "/etc/fixed/c.yaml"))
}

func TestWhatAUserWroteStaysLiteral(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	c := &top.Groups[0].Containers[0]
	values := map[string]string{
		"REFERENCE": "${NOMAD_ALLOC_ID} ${attr.cpu.arch} ${unknown}", "DOLLAR": "$HOME $$ %{if}", "EMPTY": "",
		"LINES": "a\nb\t\"c\" 'd' # e \\ ü {{ .F }} ${NOMAD_JOB_ID}",
	}
	for _, k := range sorted(values) {
		c.Env = append(c.Env, topology.Env{Name: k, Value: values[k]})
	}
	c.Env = append(c.Env, topology.Env{Name: "REPLICA", Field: topology.FieldReplica}, topology.Env{Name: "INDEX", Field: topology.FieldIndex},
		topology.Env{Name: "NODE", Field: topology.FieldNode}, topology.Env{Name: "ADDRESS", Field: topology.FieldAddress}, topology.Env{Name: "SPACE", Field: topology.FieldNamespace})
	c.Args = []string{"serve", ":8080", "${NOMAD_ALLOC_ID} ${x} %{ if } $${y} {{ z }}"}
	r.up(top)
	for k, want := range values {
		assert.Equal(t, want, r.ask(top, "/env", "name", k), k)
	}
	assert.Contains(t, r.ask(top, "/args"), "${NOMAD_ALLOC_ID} ${x} %{ if } $${y} {{ z }}")
	alloc := r.allocs(top)[0]
	assert.Equal(t, alloc.ID, r.ask(top, "/env", "name", "REPLICA"))
	assert.Equal(t, "0", r.ask(top, "/env", "name", "INDEX"))
	assert.Equal(t, alloc.NodeName, r.ask(top, "/env", "name", "NODE"))
	assert.Equal(t, "default", r.ask(top, "/env", "name", "SPACE"))
	at, err := url.Parse("http://" + r.observe(top).Endpoints["http"][0])
	require.NoError(t, err)
	assert.Equal(t, at.Hostname(), r.ask(top, "/env", "name", "ADDRESS"))
	assert.Empty(t, r.observe(top).Drift)
}
