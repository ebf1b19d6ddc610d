//go:build engine

package nomad

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

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
		now := r.of(top, "queue")["0"]
		return err == nil && got == "1" && now != nil && now.ID != old.ID
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

func TestTheServersDataIsNeverOfTwo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	queue := &top.Groups[0]
	queue.Volumes[0].Persistent.DeleteWithInstance = false
	// Slow to end, so that a successor that does not wait is seen beside it.
	queue.Containers[0].Env = append(queue.Containers[0].Env, topology.Env{Name: "AFTER", Value: "1500ms"}, topology.Env{Name: "JOURNAL", Value: "/data/journal"})
	r.up(top)
	volume := top.Name + "-queue-queue-data[0]"
	t.Cleanup(func() {
		require.NoError(t, r.engine.deleteVolumes(context.Background(), topology.Key{Namespace: "default"}, []string{volume}))
	})
	write := func(word string) {
		_, err := r.get(r.at(top, top.Name), "/write", values("path", "/data/word", "text", word))
		require.NoError(t, err)
	}
	kept := func(word, after string) {
		t.Helper()
		r.eventually(60, func() bool {
			at := r.observe(top).Endpoints[top.Name+"/http"]
			if len(at) == 0 {
				return false
			}
			got, err := r.get(at[0], "/file", values("path", "/data/word"))
			return err == nil && got == word
		}, "the data is there after "+after)
	}
	write("once")
	for _, round := range []string{"1", "2"} {
		roundTo(top, 0, round)
		require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
		kept("once", "an update")
	}
	alloc, _, err := r.client.Allocations().Info(r.of(top, "queue")["0"].ID, nil)
	require.NoError(t, err)
	_, err = r.client.Allocations().Stop(alloc, nil)
	require.NoError(t, err)
	r.eventually(60, func() bool { a := r.of(top, "queue")["0"]; return a != nil && a.ID != alloc.ID }, "another replica takes its place")
	kept("once", "another replica took its place")
	alloc, _, err = r.client.Allocations().Info(r.of(top, "queue")["0"].ID, nil)
	require.NoError(t, err)
	require.NoError(t, r.client.Allocations().Signal(alloc, nil, "main", "SIGKILL"))
	r.eventually(30, func() bool {
		a := r.of(top, "queue")["0"]
		return a != nil && a.TaskStates["main"] != nil && a.TaskStates["main"].Restarts == 1
	}, "it is started again")
	kept("once", "a kill")

	raw := r.askAt(r.at(top, top.Name), "/file", "path", "/data/journal")
	// Each but the killed one has ended before the next has started.
	lines := strings.Split(strings.TrimSpace(raw), "\n")
	starts, unfinished := 0, 0
	for i, line := range lines {
		if strings.HasPrefix(line, "main start ") {
			starts++
			if i > 0 && !strings.HasPrefix(lines[i-1], "main end ") {
				unfinished++
			}
		}
	}
	assert.Equal(t, 5, starts, raw)
	assert.Equal(t, 1, unfinished, raw)
	t.Log(strings.ReplaceAll(raw, "\n", "; "))

	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	r.nothingRemains(top)
	r.up(top)
	kept("once", "the instance was deleted and made again")
	queue.Volumes[0].Persistent.DeleteWithInstance = true
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	there, err := r.engine.hostVolumes(within(t, 10), topology.Key{Namespace: "default"})
	require.NoError(t, err)
	assert.NotContains(t, there, volume)
}

// nothingRemains of a deleted instance, but what is to be kept.
func (r *rig) nothingRemains(t *topology.Topology) {
	r.Helper()
	_, _, err := r.client.Jobs().Info(t.Name, nil)
	assert.Equal(r, 404, status(err), "the job")
	policies, _, err := r.client.ACLPolicies().List(nil)
	require.NoError(r, err)
	for _, p := range policies {
		assert.NotContains(r, p.Name, t.Name)
	}
	variables, _, err := r.client.Variables().PrefixList(variablePath(t.Name), nil)
	require.NoError(r, err)
	assert.Empty(r, variables)
	services, _, err := r.client.Services().List(nil)
	require.NoError(r, err)
	for _, in := range services {
		for _, s := range in.Services {
			assert.NotContains(r, s.ServiceName, t.Name)
		}
	}
	allocs, _, err := r.client.Jobs().Allocations(t.Name, true, nil)
	require.NoError(r, err)
	assert.Empty(r, alive(allocs))
}

func TestWorkersRunWithCompanionsAsWell(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	work := &top.Groups[1]
	logs := r.companion("logs")
	logs.Framework, logs.Security.User = true, new(int64(3003))
	work.Containers = []topology.Container{work.Containers[0], logs, work.Containers[1]}
	withJournal(work)
	work.Containers[0].Env = append(work.Containers[0].Env, topology.Env{Name: "BEFORE", Value: "1s"})
	r.up(top)
	assert.Empty(t, r.observe(top).Drift)
	worker := r.at(top, top.Name+"-resize")
	assert.Contains(t, r.askAt(worker, "/args"), `"/pattern/bin/prog"`, "main runs what the init container has left")
	r.eventually(20, func() bool {
		_, err := r.get(worker, "/call", values("file", "/pattern/endpoints/queue", "path", "/"))
		return err == nil
	}, "it reaches the server")
	assert.Equal(t, "stage: resize\n", r.askAt(worker, "/file", "path", "/pattern/config/config.yaml"))
	assert.NotEmpty(t, r.askAt(worker, "/file", "path", "/pattern/token/token"))
	_, err := r.get(worker, "/write", values("path", "/pattern/work/item", "text", "x"))
	assert.NoError(t, err, "its folder for work")
	_, err = r.get(worker, "/write", values("path", "/pattern/bin/prog", "text", "x"))
	assert.Error(t, err, "the program is not its own to change")
	_, err = r.get(worker, "/write", values("path", "/somewhere", "text", "x"))
	assert.Error(t, err, "nor is the image")
	got := strings.Split(strings.TrimSpace(r.askAt(worker, "/file", "path", "/shared/journal")), "\n")
	assert.Equal(t, []string{"worker start uid=1001", "worker end uid=1001", "logs start uid=3003", " start uid=2002"}, got)
}

func TestDataOfAnInstanceThatBeganWithNoReplicasGoesWithIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	top.Groups[0].Replicas = new(0)
	r.up(top)
	volume := top.Name + "-queue-queue-data[0]"
	there, err := r.engine.hostVolumes(within(t, 10), topology.Key{Namespace: "default"})
	require.NoError(t, err)
	assert.Contains(t, there, volume, "it is made before the first replica")
	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
	there, err = r.engine.hostVolumes(within(t, 10), topology.Key{Namespace: "default"})
	require.NoError(t, err)
	assert.NotContains(t, there, volume)
}
