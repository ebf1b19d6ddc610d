//go:build engine

package nomad

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestNomadAcceptsEveryGoldenManifest(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			require.NoError(t, err)
			// The namespace and the pool of the golden files are not in the cluster.
			text := strings.NewReplacer(`"Namespace": "apps"`, `"Namespace": "default"`, `"NodePool": "big"`, `"NodePool": "default"`).Replace(string(raw))
			path := filepath.Join(t.TempDir(), "job.json")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			out, err := exec.Command("nomad", "job", "validate", "-json", path).CombinedOutput()
			assert.NoError(t, err, string(out))
			assert.Contains(t, string(out), "successful")
		})
	}
}

func TestEveryKindOfEphemeralVolumeIsWritable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	side := r.companion("side")
	side.Args, side.Security.User = []string{"serve", ":9090"}, new(int64(4242))
	side.Ports = []topology.Port{{Name: "side-http", Number: 9090, Protocol: "tcp"}}
	g.Services = append(g.Services, topology.Service{Name: top.Name + "-side", Ports: []topology.ServicePort{{Name: "http", Port: 81, Target: "side-http"}}})
	g.Volumes = []topology.Volume{
		{Name: "one", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 20}},
		{Name: "two", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 20, Memory: true}},
		{Name: "mine", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 20}},
		{Name: "ram", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 20, Memory: true}},
	}
	main := &g.Containers[0]
	for _, v := range []string{"one", "two"} {
		side.Mounts = append(side.Mounts, topology.Mount{Volume: v, Path: "/" + v, ReadOnly: v == "two"})
		main.Mounts = append(main.Mounts, topology.Mount{Volume: v, Path: "/" + v})
	}
	main.Mounts = append(main.Mounts, topology.Mount{Volume: "mine", Path: "/mine"}, topology.Mount{Volume: "ram", Path: "/ram"})
	g.Containers = []topology.Container{side, *main}
	r.up(top)
	o := r.observe(top)
	assert.Empty(t, o.Drift)
	atMain, atSide := o.Endpoints[top.Name+"/http"][0], o.Endpoints[top.Name+"-side/http"][0]
	for _, v := range []string{"one", "two", "mine", "ram"} {
		r.askAt(atMain, "/write", "path", "/"+v+"/main", "text", "from main")
		assert.Equal(t, "from main", r.askAt(atMain, "/file", "path", "/"+v+"/main"), v)
	}
	for _, v := range []string{"one", "two"} {
		assert.Equal(t, "from main", r.askAt(atSide, "/file", "path", "/"+v+"/main"), v)
	}
	r.askAt(atSide, "/write", "path", "/one/side", "text", "from side")
	assert.Equal(t, "from side", r.askAt(atMain, "/file", "path", "/one/side"))
	for path, why := range map[string]string{"/two/side": "a read-only mount", "/file": "a read-only root"} {
		_, err := r.get(atSide, "/write", values("path", path, "text", "x"))
		assert.ErrorContains(t, err, "read-only file system", why)
	}
	_, err := r.get(atMain, "/write", values("path", "/ram/big", "text", strings.Repeat("x", 2<<20)))
	assert.Error(t, err, "the size of a volume in memory is enforced")

	// A volume survives the restart of a container.
	a, _, err := r.client.Allocations().Info(r.allocs(top)[0].ID, nil)
	require.NoError(t, err)
	_, _ = r.get(atMain, "/exit", values("code", "1"))
	r.eventually(30, func() bool {
		now, _, err := r.client.Allocations().Info(a.ID, nil)
		return err == nil && now.TaskStates["main"].Restarts == 1 && now.TaskStates["main"].State == "running" && now.TaskStates["side"].Restarts == 0
	}, "main restarts, alone")
	r.eventually(10, func() bool { _, err := r.get(atMain, "/", nil); return err == nil }, "main serves again")
	assert.Equal(t, "from main", r.askAt(atMain, "/file", "path", "/one/main"))
}

func TestALivenessProbeRestartsItsContainerAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	main := &g.Containers[0]
	side := r.companion("side")
	side.Args = []string{"serve", ":9090"}
	side.Ports = []topology.Port{{Name: "mgmt", Number: 9090, Protocol: "tcp"}}
	side.Probes.Liveness = &topology.Probe{HTTP: &topology.HTTPAction{Port: "mgmt", Path: "/file?path=/shared/alive"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 2, DelaySeconds: 3}
	g.Containers = []topology.Container{side, *main}
	withJournal(g)
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	r.eventually(30, func() bool {
		a := r.allocs(top)
		return len(a) == 1 && a[0].TaskStates["main"] != nil && a[0].TaskStates["main"].State == "running"
	}, "main runs")
	r.eventually(30, func() bool { return len(r.observe(top).Endpoints["http"]) == 1 }, "main is listed")
	r.eventually(30, func() bool { return r.allocs(top)[0].TaskStates["side"].Restarts >= 1 }, "a dead companion is restarted")
	r.eventually(30, func() bool {
		at := r.observe(top).Endpoints["http"]
		if len(at) == 0 {
			return false
		}
		_, err := r.get(at[0], "/write", values("path", "/shared/alive", "text", "yes"))
		return err == nil
	}, "main serves")
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil), "now that the probe succeeds")
	assert.Zero(t, r.allocs(top)[0].TaskStates["main"].Restarts)
}

func TestACompanionsStartupProbeGatesTheUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	side := r.companion("side") // sleeps, so nothing ever answers
	side.Ports = []topology.Port{{Name: "mgmt", Number: 9090, Protocol: "tcp"}}
	side.Probes.Startup = &topology.Probe{TCP: &topology.TCPAction{Port: "mgmt"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 5}
	g.Containers = []topology.Container{side, g.Containers[0]}
	g.Update.ProgressSeconds = 15
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	err := r.engine.Wait(within(t, 60), top, nil)
	var not *engine.NotReadyError
	require.True(t, errors.As(err, &not), "%v", err)
	assert.Equal(t, "ProgressDeadlineExceeded", not.Reason)
	assert.Equal(t, "side", not.Container)
	assert.Contains(t, not.Message, "connection refused")
}

func TestATimeoutSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Groups[0].Containers[0].Probes.Readiness.HTTP.Path = "/file?path=/not-there"
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	err := r.engine.Wait(within(t, 5), top, nil)
	var not *engine.NotReadyError
	require.True(t, errors.As(err, &not), "%v", err)
	assert.Equal(t, "Timeout", not.Reason)
	assert.Equal(t, "main", not.Container)
	assert.Contains(t, not.Message, "404")
	assert.NotEmpty(t, not.Events)
}

func TestShares(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Containers[0].Resources.Requests.MilliCPU = 500
	scavenger := r.companion("scavenger")
	g.Containers = []topology.Container{scavenger, g.Containers[0]}
	r.up(top)
	a, _, err := r.client.Allocations().Info(r.allocs(top)[0].ID, nil)
	require.NoError(t, err)
	main, side := a.AllocatedResources.Tasks["main"].Cpu.CpuShares, a.AllocatedResources.Tasks["scavenger"].Cpu.CpuShares
	assert.Equal(t, int64(50), main/side, "shares follow requests: main has fifty times the scavenger's")
	assert.Equal(t, int64(5000), main, "half a core of 10000 MHz, as the test's node says")
}

func TestABatchJobWithAllRoles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Identity, g.Replicas, g.Services = topology.ToCompletion, nil, nil
	g.Completion = &topology.Completion{Count: 1, Retries: 0}
	prepare := r.companion("prepare")
	prepare.Role, prepare.Args = topology.Init, []string{"once"}
	main := r.main()
	main.Args, main.Ports, main.Probes = []string{"once"}, nil, topology.Probes{}
	g.Containers = []topology.Container{prepare, r.companion("logs"), main}
	withJournal(g)
	r.up(top)
	assert.Equal(t, "prepare start;prepare end;logs start;main start;main end;logs stopping terminated;logs end",
		strings.ReplaceAll(strings.Join(r.journal(r.allocs(top)[0].ID), ";"), " uid=65532", ""))
}

func TestSeveralGroupsAreOneJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	other := top.Groups[0]
	other.Name, other.Replicas = "other", new(2)
	other.Services = []topology.Service{{Name: top.Name + "-other", Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
	top.Groups = append(top.Groups, other)
	r.up(top)
	o := r.observe(top)
	assert.Empty(t, o.Drift)
	assert.Len(t, o.Endpoints[top.Name+"/http"], 1)
	assert.Len(t, o.Endpoints[top.Name+"-other/http"], 2)
	assert.Equal(t, engine.GroupStatus{Desired: 2, Ready: 2, Updated: 2}, o.Groups["other"])
}

func TestAJobThatSomebodyStoppedIsDriftAndStartsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	r.up(top)
	_, _, err := r.client.Jobs().Deregister(top.Name, false, nil)
	require.NoError(t, err)
	r.eventually(20, func() bool { return len(r.allocs(top)) == 0 }, "it stops")
	o := r.observe(top)
	t.Log(o.Drift, o.Phase, o.Message)
	assert.NotEmpty(t, o.Drift)
	assert.NotEqual(t, "ready", o.Phase)
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Empty(t, r.observe(top).Drift)
}

// Reading many instances takes a time that is not worth a word.
func TestRefreshOfManyInstances(t *testing.T) {
	r := newRig(t)
	top := r.serving()
	r.up(top)
	const many = 500
	slots := make(chan struct{}, 10) // as Terraform does by default
	var wg sync.WaitGroup
	r.requests.take()
	begun := time.Now()
	for range many {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			o, err := r.engine.Observe(t.Context(), top)
			assert.NoError(t, err)
			assert.Empty(t, o.Drift)
		}()
	}
	wg.Wait()
	took := time.Since(begun)
	t.Logf("%d refreshes took %s", many, took)
	assert.Less(t, took, time.Minute)
	assert.LessOrEqual(t, len(r.requests.take()), 3*many)
}
