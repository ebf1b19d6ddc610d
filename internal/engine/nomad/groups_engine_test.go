//go:build engine

package nomad

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// pair is an instance of two groups: a server with data of its own, and workers that an autoscaler scales, whose program
// comes from an init container and who find the server by a file.
func (r *rig) pair() *topology.Topology {
	t := r.serving()
	like := workers()
	main := t.Groups[0].Containers[0]
	t.Secrets, t.Configs = like.Secrets, like.Configs
	queue, work := like.Groups[0], like.Groups[1]

	server := main
	server.Framework = true
	server.Env = append(server.Env, topology.Env{Name: "INDEX", Field: topology.FieldIndex})
	server.Mounts = queue.Containers[0].Mounts
	queue.Containers = []topology.Container{server}
	queue.Services[0].Name = t.Name
	queue.Volumes[0].Persistent = &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}

	install := r.companion("worker")
	install.Role, install.Framework, install.Args = topology.Init, true, []string{"install", "/pattern/bin/prog"}
	install.Mounts, install.Security.User = work.Containers[0].Mounts, new(int64(1001))
	worker := main
	worker.Command, worker.Mounts, worker.Env = []string{"/pattern/bin/prog"}, work.Containers[1].Mounts, work.Containers[1].Env
	worker.Security.User = new(int64(2002))
	work.Containers = []topology.Container{install, worker}
	work.Services = []topology.Service{{Name: t.Name + "-resize", Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
	work.Volumes[4].Endpoints[0].Service = t.Name

	t.Groups = []topology.Group{queue, work}
	for i := range t.Groups {
		t.Groups[i].Termination.GraceSeconds, t.Groups[i].Update.ProgressSeconds = 5, 60
	}
	return t
}

// of a group, the allocations that should run, by index.
func (r *rig) of(t *topology.Topology, group string) map[string]*api.AllocationListStub {
	r.Helper()
	out := map[string]*api.AllocationListStub{}
	for _, a := range r.allocs(t) {
		if a.TaskGroup == group {
			index := a.Name[strings.LastIndex(a.Name, "[")+1 : len(a.Name)-1]
			require.NotContains(r, out, index, "two replicas of one index")
			out[index] = a
		}
	}
	return out
}

// at is where a group's service is reached.
func (r *rig) at(t *topology.Topology, service string) string {
	r.Helper()
	list := r.observe(t).Endpoints[service+"/http"]
	require.NotEmpty(r, list, service)
	return list[0]
}

func TestWorkersReachTheServerByAFileThatFollowsIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	top.Groups[0].Containers[0].Env = append(top.Groups[0].Containers[0].Env, topology.Env{Name: "ROUND", Value: "1"})
	r.up(top)
	assert.Empty(t, r.observe(top).Drift)
	worker := r.at(top, top.Name+"-resize")
	call := func(path string) (string, error) {
		return r.get(worker, "/call", url.Values{"file": {"/pattern/endpoints/queue"}, "path": {path}})
	}
	address := func() string { return strings.TrimSpace(r.askAt(worker, "/file", "path", "/pattern/endpoints/queue")) }
	r.eventually(20, func() bool { got, err := call("/env?name=ROUND"); return err == nil && got == "1" }, "the worker reaches the server")
	was, before := address(), r.of(top, "resize")["0"]
	assert.Equal(t, r.at(top, top.Name), was)

	old := r.of(top, "queue")["0"]
	_, err := r.client.Allocations().Stop(&api.Allocation{ID: old.ID}, nil)
	require.NoError(t, err)
	r.eventually(60, func() bool {
		got, err := call("/env?name=ROUND")
		return err == nil && got == "1" && r.of(top, "queue")["0"].ID != old.ID
	}, "it reaches the server's successor")
	r.eventually(20, func() bool { return address() != "" && !strings.Contains(address(), was) }, "whose address has replaced the former")
	t.Log(was, "->", address())
	after := r.of(top, "resize")["0"]
	assert.Equal(t, before.ID, after.ID)
	assert.Zero(t, after.TaskStates["main"].Restarts, "the reader was not restarted")
}

func TestTheTailOfALogTakesTwoRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	reporter := r.companion("reporter")
	reporter.Role, reporter.Framework, reporter.Args = topology.Main, true, []string{"report"}
	theirs := reporter
	theirs.Name, theirs.Framework = "theirs", false
	queue := &top.Groups[0]
	queue.Containers = append(queue.Containers, reporter, theirs)
	_, err := r.engine.Tail(within(t, 10), top, "queue", "reporter", 3)
	require.ErrorIs(t, err, engine.ErrNotRunning, "before it is there")
	_, err = r.engine.Tail(within(t, 10), top, "queue", "nobody", 3)
	require.ErrorIs(t, err, engine.ErrNotFound)
	r.up(top)

	tail := func(container string, lines int) []string {
		r.requests.take()
		got, err := r.engine.Tail(within(t, 10), top, "queue", container, lines)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(r.requests.take()), 2)
		return got
	}
	var first []string
	r.eventually(20, func() bool { first = tail("reporter", 3); return len(first) == 3 }, "three lines of standard error")
	var a, b, c int
	_, err = fmt.Sscanf(strings.Join(first, " "), "progress %d progress %d progress %d", &a, &b, &c)
	require.NoError(t, err, first)
	assert.Equal(t, []int{a + 1, a + 2}, []int{b, c})
	r.eventually(20, func() bool { return tail("reporter", 1)[0] > first[2] || len(tail("reporter", 1)[0]) > len(first[2]) }, "it goes on")
	assert.Equal(t, []string{"to whom it may concern"}, tail("theirs", 3), "standard output of what is not the framework's")
	r.eventually(60, func() bool { return len(tail("reporter", 100)) == 100 }, "as many lines as were asked for")

	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	_, err = r.engine.Tail(within(t, 10), top, "queue", "reporter", 3)
	require.ErrorIs(t, err, engine.ErrNotRunning, "after it was there")
}

// scaler is who may scale the workers: it has the token of the server's own container.
func (r *rig) scaler(t *topology.Topology) *api.Client {
	r.Helper()
	var token string
	r.eventually(20, func() bool {
		var err error
		token, err = r.get(r.at(t, t.Name), "/env", values("name", "NOMAD_TOKEN"))
		return err == nil && token != ""
	}, "the server has a token")
	c, err := api.NewClient(&api.Config{Address: os.Getenv("NOMAD_ADDR"), SecretID: token})
	require.NoError(r, err)
	return c
}

// scale the workers as an autoscaler does, and again where Nomad has a deployment to finish first; tells for how long.
func (r *rig) scale(by *api.Client, t *topology.Topology, n int) time.Duration {
	r.Helper()
	begun := time.Now()
	var err error
	r.eventually(60, func() bool {
		_, _, err = by.Jobs().Scale(t.Name, "resize", &n, "as the test wants", false, nil, nil)
		return err == nil || status(err) != 400 || !strings.Contains(body(err), "active deployment")
	}, "Nomad lets it scale")
	require.NoError(r, err)
	return time.Since(begun)
}

// settled waits until as many workers run, and tells their indexes.
func (r *rig) settled(t *topology.Topology, n int) []string {
	r.Helper()
	r.eventually(60, func() bool {
		all := r.of(t, "resize")
		for _, a := range all {
			if a.ClientStatus != "running" {
				return false
			}
		}
		return len(all) == n
	}, fmt.Sprintf("%d workers run", n))
	return sorted(r.of(t, "resize"))
}

func TestTheNumberThatAnAutoscalerChoseStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	assert.Equal(t, []string{"0"}, r.settled(top, 1), "who has not been scaled has one")
	by := r.scaler(top)
	queue := r.of(top, "queue")["0"].ID
	for round, n := range []int{0, 3, 1, 0} {
		t.Logf("scale to %d was blocked for %s", n, r.scale(by, top, n))
		t.Logf("scale to %d again was blocked for %s", n, r.scale(by, top, n))
		require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
		o := r.observe(top)
		assert.Empty(t, o.Drift)
		assert.Equal(t, engine.GroupStatus{Desired: n, Ready: n, Updated: n}, o.Groups["resize"])
		assert.Equal(t, "ready", o.Phase, o.Message)

		require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
		assert.Len(t, r.settled(top, n), n, "an apply of the same")
		assert.Equal(t, queue, r.of(top, "queue")["0"].ID, "scaling and an apply of the same leave the server in its place")

		top.Groups[1].Containers[1].Env = append(top.Groups[1].Containers[1].Env, topology.Env{Name: "ROUND", Value: fmt.Sprint(round)})
		require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 60), top, func(s string) { t.Log(s) }))
		assert.Len(t, r.settled(top, n), n, "an apply of another version")
		assert.Empty(t, r.observe(top).Drift)
		assert.Equal(t, queue, r.of(top, "queue")["0"].ID, "an update of the workers leaves the server in its place")
	}
}

func TestTheHighestIndexGoesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	by := r.scaler(top)
	queue := r.of(top, "queue")["0"].ID
	all := []string{"0", "1", "2", "3"}
	before := map[string]*api.AllocationListStub{}
	for _, n := range []int{4, 2, 3, 1, 4, 0, 2} {
		t.Logf("scale to %d was blocked for %s", n, r.scale(by, top, n))
		begun := time.Now()
		require.Equal(t, all[:n], append([]string{}, r.settled(top, n)...), "indexes are those from 0")
		t.Logf("which took %s", time.Since(begun))
		now := r.of(top, "resize")
		for index, a := range now {
			if was := before[index]; was != nil {
				assert.Equal(t, was.ID, a.ID, "who is not above the number stays")
			}
		}
		before = now
		// What the container itself sees is the same.
		for _, at := range r.observe(top).Endpoints[top.Name+"-resize/http"] {
			var index string
			r.eventually(10, func() bool {
				var err error
				index, err = r.get(at, "/env", values("name", "INDEX"))
				return err == nil
			}, "the worker answers")
			require.Contains(t, now, index)
		}
	}
	assert.Equal(t, queue, r.of(top, "queue")["0"].ID, "scaling leaves the server in its place")
}

func TestAnUpdateOfTheServerLeavesTheWorkersInPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	r.scale(r.scaler(top), top, 3)
	r.settled(top, 3)
	before, queue := r.of(top, "resize"), r.of(top, "queue")["0"].ID
	_, err := r.get(r.at(top, top.Name), "/write", values("path", "/data/word", "text", "kept"))
	require.NoError(t, err)
	top.Groups[0].Containers[0].Env = append(top.Groups[0].Containers[0].Env, topology.Env{Name: "ROUND", Value: "2"})
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	require.NotEqual(t, queue, r.of(top, "queue")["0"].ID)
	assert.Equal(t, "kept", r.askAt(r.at(top, top.Name), "/file", "path", "/data/word"))
	after := r.of(top, "resize")
	require.Len(t, after, 3)
	for index, a := range before {
		assert.Equal(t, a.ID, after[index].ID)
		for task, s := range after[index].TaskStates {
			assert.Zero(t, s.Restarts, "%s of %s", task, index)
		}
	}
}
