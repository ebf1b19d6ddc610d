//go:build engine

package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// pair is an instance of two groups: a server with data of its own, and workers that an autoscaler scales and who find the
// server by a file.
func (s *stage) pair() *topology.Topology {
	t := s.demo(1)
	like := workers()
	main := t.Groups[0].Containers[0]
	t.Secrets, t.Configs = like.Secrets, like.Configs
	queue, work := like.Groups[0], like.Groups[1]

	server := main
	server.Mounts = queue.Containers[0].Mounts
	queue.Containers = []topology.Container{server}
	queue.Volumes[0].Persistent = &topology.PersistentVolume{SizeBytes: 1 << 20}

	// The image has nothing that could copy itself, so the init container leaves a word instead of a program.
	install := s.container("worker", topology.Init, "write", "/pattern/bin/word", "installed")
	install.Mounts, install.Security.User = work.Containers[0].Mounts, new(int64(1001))
	worker := main
	worker.Mounts, worker.Env = work.Containers[1].Mounts, work.Containers[1].Env
	worker.Security.User = new(int64(2002))
	work.Containers = []topology.Container{install, worker}

	t.Groups = []topology.Group{queue, work}
	for i := range t.Groups {
		t.Groups[i].Termination.GraceSeconds, t.Groups[i].Update.ProgressSeconds = 1, 60
	}
	return t
}

func (s *stage) uid(pod string) string {
	s.Helper()
	return s.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
}

func TestEngineTellsWorkersWhereTheServerIs(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	s.up(web)
	assert.Empty(t, s.observe(web).Drift)
	read := func(file string) string {
		return strings.TrimSpace(s.kubectl("exec", "web-resize-0", "--", "/demo", "cat", file))
	}
	assert.Equal(t, "installed", read("/pattern/bin/word"), "what the init container has left")
	at := read("/pattern/endpoints/queue")
	assert.Equal(t, "web."+s.namespace+".svc:8080", at)
	reached := func() bool {
		out, err := s.tryKubectl("", "exec", "web-resize-0", "--", "/demo", "get", "http://"+at+"/")
		return err == nil && strings.Contains(out, "hello from web-queue-0")
	}
	require.Eventually(t, reached, 20*time.Second, time.Second/4, "the worker reaches the server")
	before := s.uid("web-resize-0")

	s.kubectl("delete", "pod", "web-queue-0")
	require.Eventually(t, reached, 30*time.Second, time.Second/4, "the worker reaches the server's successor")

	// Another port of the service comes to the readers without a restart.
	web.Groups[0].Services[0].Ports[0].Port = 8090
	require.NoError(t, s.engine.Apply(s.within(30*time.Second), web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	require.Eventually(t, func() bool { at = read("/pattern/endpoints/queue"); return strings.HasSuffix(at, ":8090") && reached() }, 30*time.Second, time.Second/4)
	assert.Equal(t, before, s.uid("web-resize-0"))
}

func TestEngineReadsTheTailOfALogByTwoRequests(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	_, err := s.engine.Tail(s.ctx, web, "queue", "web", 3)
	require.ErrorIs(t, err, engine.ErrNotRunning, "before it is there")
	_, err = s.engine.Tail(s.ctx, web, "queue", "nobody", 3)
	require.ErrorIs(t, err, engine.ErrNotFound)
	s.up(web)
	var got []string
	n := s.requests.during(func() { got, err = s.engine.Tail(s.ctx, web, "queue", "web", 3) })
	require.NoError(t, err)
	assert.Equal(t, []string{"serving on :8080"}, got, "what it has written to standard error")
	assert.LessOrEqual(t, n, 2)
	got, err = s.engine.Tail(s.ctx, web, "queue", "web", 0)
	require.NoError(t, err)
	assert.Empty(t, got)
	require.NoError(t, s.engine.Delete(s.within(time.Minute), web.Key()))
	_, err = s.engine.Tail(s.ctx, web, "queue", "web", 3)
	require.ErrorIs(t, err, engine.ErrNotRunning, "after it was there")
}
