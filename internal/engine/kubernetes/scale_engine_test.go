//go:build engine

package kubernetes

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// scaler scales the workers with the token of the server's own account, as an autoscaler in its Pod does.
func (s *stage) scaler() func(n int) (status int) {
	s.Helper()
	token := s.kubectl("exec", "web-queue-0", "--", "/demo", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
	return func(n int) int { return s.scaleAs(token, "web-resize", n) }
}

func (s *stage) scaleAs(token, set string, n int) int {
	s.Helper()
	url := s.client.rest.Host + "/apis/apps/v1/namespaces/" + s.namespace + "/statefulsets/" + set + "/scale"
	q, err := http.NewRequestWithContext(s.ctx, http.MethodPatch, url, strings.NewReader(fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)))
	require.NoError(s, err)
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("Content-Type", "application/merge-patch+json")
	resp, err := s.anonymous().Do(q)
	require.NoError(s, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// anonymous trusts the API server and has no credentials.
func (s *stage) anonymous() *http.Client {
	s.Helper()
	h, err := rest.HTTPClientFor(rest.AnonymousClientConfig(s.client.rest))
	require.NoError(s, err)
	return h
}

// workers that are there and are not on their way out, by name, with their UIDs.
func (s *stage) workers() map[string]string {
	s.Helper()
	out := map[string]string{}
	list := s.kubectl("get", "pods", "-l", labelGroup+"=resize", "-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}={.metadata.deletionTimestamp}{"\n"}{end}`)
	for _, line := range strings.Fields(list) {
		if f := strings.Split(line, "="); len(f) == 3 && f[2] == "" {
			out[f[0]] = f[1]
		}
	}
	return out
}

// settled waits until these workers are there.
func (s *stage) settled(n int) map[string]string {
	s.Helper()
	var now map[string]string
	require.Eventually(s, func() bool { now = s.workers(); return len(now) == n }, 30*time.Second, time.Second/4, "%d workers", n)
	for i := range n {
		require.Contains(s, now, fmt.Sprintf("web-resize-%d", i), "indexes are those from 0")
	}
	return now
}

func TestEngineKeepsTheNumberThatAnAutoscalerChose(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	s.up(web)
	s.settled(1)
	scale := s.scaler()
	queue := s.uid("web-queue-0")
	for round, n := range []int{0, 3, 1, 0} {
		require.Equal(t, 200, scale(n))
		require.NoError(t, s.wait(web, time.Minute))
		before := s.settled(n)
		seen := s.observe(web)
		assert.Empty(t, seen.Drift)
		assert.Equal(t, engine.GroupStatus{Desired: n, Ready: n, Updated: n}, seen.Groups["resize"])
		assert.Equal(t, "ready", seen.Phase, seen.Message)

		require.NoError(t, s.engine.Apply(s.within(30*time.Second), web, engine.ApplyOptions{}))
		require.NoError(t, s.wait(web, time.Minute))
		assert.Equal(t, before, s.settled(n), "an apply of the same")

		worker := &web.Groups[1].Containers[1]
		worker.Env = append(worker.Env, topology.Env{Name: fmt.Sprint("ROUND_", round), Value: "x"})
		require.NoError(t, s.engine.Apply(s.within(30*time.Second), web, engine.ApplyOptions{}))
		require.NoError(t, s.wait(web, time.Minute))
		s.settled(n)
		assert.Empty(t, s.observe(web).Drift)
		assert.Equal(t, queue, s.uid("web-queue-0"), "an update of the workers leaves the server in its place")
	}
}

func TestEngineRemovesTheHighestIndexFirst(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	s.up(web)
	scale := s.scaler()
	before := map[string]string{}
	for _, n := range []int{4, 2, 3, 1, 4, 0, 2} {
		require.Equal(t, 200, scale(n))
		require.NoError(t, s.wait(web, time.Minute))
		now := s.settled(n)
		for name, uid := range now {
			if was := before[name]; was != "" {
				assert.Equal(t, was, uid, "who is not above the number stays")
			}
		}
		before = now
	}
	index := s.kubectl("get", "pod", "web-resize-1", "-o", `jsonpath={.metadata.labels.apps\.kubernetes\.io/pod-index}`)
	assert.Equal(t, "1", index, "which is what FieldIndex shows")
	assert.Contains(t, s.kubectl("get", "pod", "web-resize-1", "-o", "yaml"), "metadata.labels['apps.kubernetes.io/pod-index']")
}

func TestEngineLetsTheServerScaleNobodyElse(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	s.up(web)
	token := s.kubectl("exec", "web-queue-0", "--", "/demo", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
	assert.Equal(t, 200, s.scaleAs(token, "web-resize", 2))
	assert.Equal(t, 403, s.scaleAs(token, "web-queue", 2), "not even itself")
	out, err := s.tryKubectl("", "exec", "web-resize-0", "--", "/demo", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
	assert.Error(t, err, "the workers have no token: %s", out)
}

func TestEngineScalesWhileItApplies(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	s.up(web)
	scale := s.scaler()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	last, scales := 1, 0
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond): // its pace, a quick one
			}
			if assert.Equal(t, 200, scale(n%3+1)) {
				last = n%3 + 1
				scales++
			}
		}
	})
	worker := &web.Groups[1].Containers[1]
	worker.Env = append(worker.Env, topology.Env{Name: "ROUND"})
	for _, round := range []string{"a", "b", "c", "d"} {
		worker.Env[len(worker.Env)-1].Value = round
		require.NoError(t, s.engine.Apply(s.within(30*time.Second), web, engine.ApplyOptions{}))
		got := s.kubectl("get", "statefulset", "web-resize", "-o", "jsonpath={.spec.template.spec.containers[0].env[-1].value}")
		assert.Equal(t, round, got, "what was applied holds")
	}
	close(stop)
	wg.Wait()
	t.Logf("%d scales", scales)
	require.NoError(t, s.wait(web, time.Minute))
	s.settled(last)
	assert.Empty(t, s.observe(web).Drift)
}

func TestEngineUpdatesTheServerWithoutTheWorkers(t *testing.T) {
	s := newStage(t)
	web := s.pair()
	s.up(web)
	require.Equal(t, 200, s.scaler()(3))
	require.NoError(t, s.wait(web, time.Minute))
	before, queue := s.settled(3), s.uid("web-queue-0")
	server := &web.Groups[0].Containers[0]
	server.Env = append(server.Env, topology.Env{Name: "ROUND", Value: "2"})
	s.kubectl("exec", "web-queue-0", "--", "/demo", "write", "/data/word", "kept")
	require.NoError(t, s.engine.Apply(s.within(30*time.Second), web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	require.NotEqual(t, queue, s.uid("web-queue-0"))
	assert.Equal(t, before, s.settled(3))
	restarts := s.kubectl("get", "pods", "-l", labelGroup+"=resize", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")
	assert.Equal(t, "0 0 0", restarts)
	data := func() string { return s.kubectl("exec", "web-queue-0", "--", "/demo", "cat", "/data/word") }
	assert.Equal(t, "kept", data())

	require.NoError(t, s.engine.Delete(s.within(time.Minute), web.Key()))
	all := "pods,configmaps,secrets,statefulsets,services,serviceaccounts,roles,rolebindings"
	assert.Empty(t, s.kubectl("get", all, "-l", instanceSelector(web.Key()), "-o", "name"))
	claim := "queue-data-web-queue-0"
	assert.Contains(t, s.kubectl("get", "persistentvolumeclaims", "-o", "name"), claim)
	s.up(web)
	assert.Equal(t, "kept", data(), "the data is there again")

	web.Groups[0].Volumes[0].Persistent.DeleteWithInstance = true
	require.NoError(t, s.engine.Apply(s.within(30*time.Second), web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	require.NoError(t, s.engine.Delete(s.within(time.Minute), web.Key()))
	require.Eventually(t, func() bool {
		out, err := s.tryKubectl("", "get", "persistentvolumeclaims", "-o", "name")
		return err == nil && !strings.Contains(out, claim)
	}, 30*time.Second, time.Second/4, "the data went with the instance")
}
