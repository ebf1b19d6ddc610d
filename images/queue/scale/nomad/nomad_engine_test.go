//go:build engine

package nomad

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/intask"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// rig is a job with a server, which has a token of its identity, and workers. The test goes by the server's own socket and
// token: the engine's tasks lie in this machine's files.
type rig struct {
	*testing.T
	admin   *api.Client
	job     string
	secrets string
}

func newRig(t *testing.T, minHealthy time.Duration) *rig {
	t.Helper()
	for _, v := range []string{"NOMAD_ADDR", "NOMAD_TOKEN"} {
		require.NotEmpty(t, os.Getenv(v), `run test/engines/engines.sh up nomad, and eval "$(test/engines/engines.sh env)"`)
	}
	admin, err := api.NewClient(api.DefaultConfig())
	require.NoError(t, err)
	r := &rig{T: t, admin: admin, job: fmt.Sprintf("scale-test-%d", time.Now().UnixNano())}
	sleep := func(name string) *api.Task {
		task := api.NewTask(name, "raw_exec")
		task.Config = map[string]any{"command": "/bin/sh", "args": []string{"-c", `echo "$NOMAD_SECRETS_DIR"; exec sleep 3600`}}
		task.Resources = &api.Resources{CPU: new(20), MemoryMB: new(20)}
		task.KillTimeout = new(100 * time.Millisecond)
		return task
	}
	update := &api.UpdateStrategy{
		MaxParallel: new(1), HealthCheck: new("task_states"), MinHealthyTime: new(minHealthy),
		HealthyDeadline: new(minHealthy + 20*time.Second), ProgressDeadline: new(minHealthy + 40*time.Second), Canary: new(0),
	}
	queue := api.NewTaskGroup("queue", 1).AddTask(sleep("server"))
	queue.Tasks[0].Identity = &api.WorkloadIdentity{Name: "default", Env: true, File: true}
	workers := api.NewTaskGroup("resize", 0).AddTask(sleep("main"))
	for _, g := range []*api.TaskGroup{queue, workers} {
		g.Update = update
	}
	job := api.NewServiceJob(r.job, r.job, "global", 50)
	job.Datacenters = []string{"*"}
	job.AddTaskGroup(queue).AddTaskGroup(workers)
	policy := &api.ACLPolicy{
		Name: r.job, Rules: "namespace \"default\" {\n  capabilities = [\"read-job\", \"read-job-scaling\", \"scale-job\"]\n}\n",
		JobACL: &api.JobACL{Namespace: "default", JobID: r.job, Group: "queue"},
	}
	_, err = admin.ACLPolicies().Upsert(policy, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _, _ = admin.Jobs().Deregister(r.job, true, nil)
		_, _ = admin.ACLPolicies().Delete(r.job, nil)
	})
	_, _, err = admin.Jobs().Register(job, nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool { r.secrets = r.told(); return r.secrets != "" }, 30*time.Second, 100*time.Millisecond, "the server runs")
	r.calm()
	t.Setenv(intask.EnvSecrets, r.secrets)
	t.Setenv(intask.EnvNamespace, "default")
	t.Setenv(intask.EnvToken, "")
	t.Setenv(intask.EnvAddress, "")
	return r
}

// told is where the server's secrets are.
func (r *rig) told() string {
	all, _, err := r.admin.Jobs().Allocations(r.job, false, nil)
	if err != nil || len(all) == 0 {
		return ""
	}
	alloc, _, err := r.admin.Allocations().Info(all[0].ID, nil)
	if err != nil || alloc.ClientStatus != "running" {
		return ""
	}
	frames, errs := r.admin.AllocFS().Logs(alloc, false, "server", "stdout", "start", 0, nil, nil)
	var text []byte
	for {
		select {
		case f, open := <-frames:
			if !open {
				return strings.TrimSpace(string(text))
			}
			text = append(text, f.Data...)
		case err := <-errs:
			if err != nil && !errors.Is(err, io.EOF) {
				return ""
			}
			return strings.TrimSpace(string(text))
		}
	}
}

// calm waits until no deployment is active.
func (r *rig) calm() {
	r.Helper()
	require.Eventually(r, func() bool {
		d, _, err := r.admin.Jobs().LatestDeployment(r.job, nil)
		return err == nil && (d == nil || d.Status == "successful")
	}, 60*time.Second, 50*time.Millisecond, "no deployment is active")
}

func (r *rig) running() int {
	all, _, err := r.admin.Jobs().Allocations(r.job, false, nil)
	require.NoError(r, err)
	n := 0
	for _, a := range all {
		if a.TaskGroup == "resize" && a.ClientStatus == "running" && a.DesiredStatus == "run" {
			n++
		}
	}
	return n
}

// scale until it is done, and tell what was said meanwhile.
func (r *rig) scale(e *Engine, from, to int) (busy int) {
	r.Helper()
	require.Eventually(r, func() bool {
		err := e.Scale(context.Background(), "small", from, to, "as the test wants")
		if errors.Is(err, scale.ErrBusy) {
			busy++
			return false
		}
		require.NoError(r, err)
		return true
	}, 60*time.Second, 100*time.Millisecond)
	return busy
}

func TestScalesByTheTaskAPIAndItsOwnIdentity(t *testing.T) {
	r := newRig(t, time.Second)
	ctx := context.Background()
	e, err := New(r.job, map[string]string{"small": "resize", "gone": "nobody"})
	require.NoError(t, err)
	n, err := e.Replicas(ctx, "small")
	require.NoError(t, err)
	require.Equal(t, 0, n)

	for from, to := 0, 0; ; from = to {
		if to = map[int]int{0: 3, 3: 1}[from]; to == 0 {
			break
		}
		begun := time.Now()
		busy := r.scale(e, from, to)
		asked := time.Since(begun)
		require.Eventually(t, func() bool { return r.running() == to }, 30*time.Second, 50*time.Millisecond)
		t.Logf("%d to %d: accepted after %s (busy %d times), running after %s", from, to, asked.Round(time.Millisecond), busy, time.Since(begun).Round(time.Millisecond))
		n, err = e.Replicas(ctx, "small")
		require.NoError(t, err)
		require.Equal(t, to, n)
	}
	s, _, err := r.admin.Jobs().ScaleStatus(r.job, nil)
	require.NoError(t, err)
	require.NotEmpty(t, s.TaskGroups["resize"].Events)
	assert.Equal(t, "work queue: as the test wants", s.TaskGroups["resize"].Events[0].Message, "the reason is in Nomad's history")

	assert.ErrorIs(t, e.Scale(ctx, "small", 5, 6, ""), scale.ErrChanged, "it is not 5")
	_, err = e.Replicas(ctx, "gone")
	assert.ErrorContains(t, err, `it has no group "nobody" for the stage gone`)
}

func TestAnActiveDeploymentIsWaitedFor(t *testing.T) {
	r := newRig(t, 4*time.Second)
	e, err := New(r.job, map[string]string{"small": "resize"})
	require.NoError(t, err)
	r.scale(e, 0, 1)
	require.Eventually(t, func() bool {
		d, _, err := r.admin.Jobs().LatestDeployment(r.job, nil)
		return err == nil && d != nil && d.Status == "running"
	}, 10*time.Second, 20*time.Millisecond, "scaling out is a deployment")
	begun := time.Now()
	err = e.Scale(context.Background(), "small", 1, 2, "")
	require.ErrorIs(t, err, scale.ErrBusy)
	assert.ErrorContains(t, err, "active deployment")
	busy := r.scale(e, 1, 2)
	t.Logf("busy %d times, for %s", busy, time.Since(begun).Round(100*time.Millisecond))
	r.calm()
	begun = time.Now()
	r.scale(e, 2, 0)
	busy = r.scale(e, 0, 0)
	t.Logf("in: busy %d times, for %s", busy, time.Since(begun).Round(100*time.Millisecond))
	require.Eventually(t, func() bool { return r.running() == 0 }, 30*time.Second, 50*time.Millisecond)
}

func TestRefusalsAreClear(t *testing.T) {
	r := newRig(t, time.Second)
	ctx := context.Background()
	other, err := New("no-such-job", map[string]string{"small": "resize"})
	require.NoError(t, err)
	_, err = other.Replicas(ctx, "small")
	assert.ErrorContains(t, err, "the job was deleted, or its name or namespace is another")

	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(r.secrets, "api.sock"), filepath.Join(dir, "api.sock")))
	t.Setenv(intask.EnvSecrets, dir)
	e, err := New(r.job, map[string]string{"small": "resize"})
	require.NoError(t, err)
	_, err = e.Replicas(ctx, "small")
	assert.ErrorContains(t, err, "no token of its identity")
	t.Setenv(intask.EnvToken, "11111111-2222-3333-4444-555555555555")
	_, err = e.Replicas(ctx, "small")
	assert.ErrorContains(t, err, "needs a policy with scale-job")

	_, err = r.admin.ACLPolicies().Delete(r.job, nil)
	require.NoError(t, err)
	t.Setenv(intask.EnvSecrets, r.secrets)
	e, err = New(r.job, map[string]string{"small": "resize"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		err = e.Scale(ctx, "small", 0, 1, "")
		return err != nil && strings.Contains(err.Error(), "needs a policy with scale-job")
	}, 10*time.Second, 100*time.Millisecond, "%v", err)

	t.Setenv(intask.EnvSecrets, t.TempDir())
	_, err = New(r.job, nil)
	assert.ErrorContains(t, err, "neither the task API's socket")
}
