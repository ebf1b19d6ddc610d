//go:build engine

package kubernetes

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineFailsEarlyAndSaysWhy(t *testing.T) {
	quota := func(s *stage) { s.kubectl("create", "quota", "none", "--hard=pods=0") }
	for _, c := range []struct {
		name      string
		prepare   func(*stage)
		change    func(*stage, *topology.Topology, *topology.Group)
		reason    string
		container string
		message   string
		log       string
		event     string
	}{
		{
			name:   "a crash loop shows the log of the former run",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) { g.Containers[0].Args = []string{"nonsense"} },
			reason: "CrashLoopBackOff", container: "web", message: "exit code 1", log: "demo serve ADDR", event: "BackOff",
		},
		{
			name: "a crash loop of a companion is the instance's",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Containers = append(g.Containers, s.container("helper", topology.Companion, "nonsense"))
			},
			reason: "CrashLoopBackOff", container: "helper", message: "exit code 1", log: "demo serve ADDR", event: "BackOff",
		},
		{
			name: "a program that is not there cannot start",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Containers[0].Command = []string{"/nowhere"}
			},
			reason: "CrashLoopBackOff", container: "web", message: "/nowhere", event: "Failed",
		},
		{
			name: "too little memory",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Containers[0] = s.container("web", topology.Main, "hog")
				g.Containers[0].Resources.Limits.MemoryBytes = 32 << 20
			},
			reason: "OOMKilled", container: "web", message: "137",
		},
		{
			name: "an image that no registry has",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Containers[0].Image = strings.Replace(s.image, "demo:1", "demo:none", 1)
			},
			reason: "ImagePullBackOff", container: "web", message: "demo:none", event: "Failed",
		},
		{
			name:   "an image name that is none",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) { g.Containers[0].Image = "UPPER/Case" },
			reason: "InvalidImageName", container: "web", message: "UPPER/Case",
		},
		{
			name: "a variable from a secret that does not exist",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Containers[0].Env = []topology.Env{{Name: "A", Secret: &topology.SecretKey{Name: "missing", Key: "a"}}}
			},
			reason: "CreateContainerConfigError", container: "web", message: `secret "missing" not found`,
		},
		{
			name: "a volume from a secret that does not exist",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Volumes = []topology.Volume{{Name: "v", Secret: &topology.SecretVolume{Name: "missing"}}}
				g.Containers[0].Mounts = []topology.Mount{{Volume: "v", Path: "/v"}}
			},
			reason: "FailedMount", message: `secret "missing" not found`, event: "FailedMount",
		},
		{
			name: "no machine that fits",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Extras = map[string]json.RawMessage{"kubernetes": []byte(`{"node_selector":{"disk":"golden"}}`)}
			},
			reason: "Unschedulable", message: "didn't match Pod's node affinity/selector", event: "FailedScheduling",
		},
		{
			name: "more memory than any machine has",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Containers[0].Resources.Requests.MemoryBytes = 1 << 45
			},
			reason: "Unschedulable", message: "Insufficient memory",
		},
		{name: "a quota", prepare: quota, reason: "FailedCreate", message: "exceeded quota"},
		{
			name: "a quota, and replicas with an identity", prepare: quota,
			change: func(s *stage, _ *topology.Topology, g *topology.Group) { g.Identity = topology.Stable },
			reason: "FailedCreate", message: "exceeded quota", event: "FailedCreate",
		},
		{
			name: "a replica that never becomes ready",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Update.ProgressSeconds = 5
				g.Containers[0].Probes.Readiness.HTTP.Path, g.Containers[0].Probes.Readiness.HTTP.Port = "/", "other"
				g.Containers[0].Ports = append(g.Containers[0].Ports, topology.Port{Name: "other", Number: 9999, Protocol: "tcp"})
			},
			reason: "ProgressDeadlineExceeded", container: "web", message: "runs and is not ready", log: "serving on :8080", event: "Unhealthy",
		},
		{
			name: "a replica with an identity that never becomes ready",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				g.Identity, g.Update.ProgressSeconds = topology.Stable, 5
				g.Containers[0].Probes.Readiness.HTTP.Port = "other"
				g.Containers[0].Ports = append(g.Containers[0].Ports, topology.Port{Name: "other", Number: 9999, Protocol: "tcp"})
			},
			reason: "ProgressDeadlineExceeded", container: "web", message: "no progress for 5s", log: "serving on :8080", event: "Unhealthy",
		},
		{
			name: "a job that fails",
			change: func(s *stage, _ *topology.Topology, g *topology.Group) {
				*g = topology.Group{Name: "main", Identity: topology.ToCompletion, Completion: &topology.Completion{Count: 1, Parallelism: 1},
					Containers: []topology.Container{s.container("work", topology.Main, "cat", "/nothing")}}
			},
			reason: "BackoffLimitExceeded", container: "work", message: "exit code 1", log: "no such file",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			if c.prepare != nil {
				c.prepare(s)
			}
			web := s.demo(1)
			if c.change != nil {
				c.change(s, web, &web.Groups[0])
			}
			not := s.notReady(web)
			assert.Equal(t, c.reason, not.Reason)
			assert.Equal(t, c.container, not.Container)
			assert.Equal(t, "main", not.Group)
			assert.Contains(t, not.Message, c.message)
			assert.Contains(t, strings.Join(not.Log, "\n"), c.log)
			assert.Contains(t, strings.Join(not.Events, "\n"), c.event)
			r, err := s.engine.Lookup(s.ctx, web.Key())
			require.NoError(t, err)
			assert.False(t, r.Complete)
			assert.NotEqual(t, "ready", s.observe(web).Phase)
			require.NoError(t, s.engine.Delete(s.within(time.Minute), web.Key()))
		})
	}
}

func TestEngineWaitsNoLongerThanItMay(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Containers[0].Probes.Readiness.DelaySeconds = 3600
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	begun := time.Now()
	err := s.wait(web, 6*time.Second)
	var not *engine.NotReadyError
	require.ErrorAs(t, err, &not)
	assert.Equal(t, "Timeout", not.Reason)
	assert.Equal(t, "web", not.Container)
	assert.Contains(t, strings.Join(not.Log, "\n"), "serving on :8080")
	assert.Less(t, time.Since(begun), 30*time.Second)
}

func TestEngineGoesOnWhenItsWatchesBreak(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Containers[0].Probes.Readiness.DelaySeconds = 6
	broken := s.newEngine(&counter{})
	watches := atomic.Int64{}
	broken.config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && r.URL.Query().Get("watch") != "" {
				watches.Add(1)
				body := resp.Body
				time.AfterFunc(time.Second, func() { body.Close() })
			}
			return resp, err
		})
	}
	require.NoError(t, broken.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	require.NoError(t, broken.Wait(s.within(time.Minute), web, nil))
	assert.Greater(t, watches.Load(), int64(6))
	require.NoError(t, broken.Delete(s.within(time.Minute), web.Key()))
}

func TestEngineSitsOutAnOutageOfTheAPI(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Containers[0].Probes.Readiness.DelaySeconds = 8
	patient := s.newEngine(&counter{})
	var away atomic.Bool
	patient.config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if away.Load() {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			resp, err := next.RoundTrip(r)
			if err == nil && r.URL.Query().Get("watch") != "" {
				body := resp.Body
				time.AfterFunc(time.Second, func() { body.Close() })
			}
			return resp, err
		})
	}
	require.NoError(t, patient.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	away.Store(true)
	time.AfterFunc(4*time.Second, func() { away.Store(false) })
	require.NoError(t, patient.Wait(s.within(time.Minute), web, nil))
}

func TestEngineMakesDoWithoutPodsAndEvents(t *testing.T) {
	s := newStage(t)
	s.kubectl("create", "serviceaccount", "deployer")
	s.kubectl("create", "role", "deployer", "--verb=*", "--resource=configmaps,services,deployments.apps")
	s.kubectl("create", "rolebinding", "deployer", "--role=deployer", "--serviceaccount="+s.namespace+":deployer")
	s.permitted("deployer", "get", "configmaps")
	e := New(Config{ConfigPath: os.Getenv("KUBECONFIG"), Namespace: s.namespace, WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Impersonate-User", "system:serviceaccount:"+s.namespace+":deployer")
			return next.RoundTrip(r)
		})
	}})
	web := s.demo(1)
	require.NoError(t, e.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	require.NoError(t, e.Wait(s.within(time.Minute), web, nil))

	web.Groups[0].Grants = []topology.Grant{{Verb: topology.GrantObserve}}
	var config *engine.ConfigError
	require.ErrorAs(t, e.Apply(s.ctx, web, engine.ApplyOptions{}), &config)
	assert.Contains(t, config.Detail, "cannot get resource")
	web.Groups[0].Grants = nil
	require.NoError(t, e.Delete(s.within(time.Minute), web.Key()))
}
