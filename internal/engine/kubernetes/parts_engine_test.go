//go:build engine

package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineKeepsSecretsInTheClusterAlone(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Secrets = []topology.Secret{
		{Name: "login", Version: "1", Values: map[string]string{"password": "first"}},
		{Name: "ring", Generate: map[string]int{"key": 32}},
	}
	web.Groups[0].Volumes = []topology.Volume{{Name: "ring", Secret: &topology.SecretVolume{Name: "ring", Own: true}}, {Name: "login", Secret: &topology.SecretVolume{Name: "login", Own: true}}}
	web.Groups[0].Containers[0].Mounts = []topology.Mount{{Volume: "ring", Path: "/ring"}, {Volume: "login", Path: "/login"}}
	s.up(web)
	read := func(file string) string { return s.kubectl("exec", "deployment/web", "--", "/demo", "cat", file) }
	assert.Equal(t, "first", read("/login/password"))
	key := read("/ring/key")
	raw, err := base64.RawURLEncoding.DecodeString(key)
	require.NoError(t, err)
	assert.Len(t, raw, 32)

	web.Secrets[0].Values = nil // as at a refresh, or in an apply that changes something else
	assert.Empty(t, s.observe(web).Drift)
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	assert.Equal(t, "first", read("/login/password"))

	web.Secrets[0].Version, web.Secrets[0].Values = "2", map[string]string{"password": "second"}
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	assert.Equal(t, "second", read("/login/password"))
	assert.Equal(t, key, read("/ring/key"), "what was generated stays")

	record, err := s.engine.Lookup(s.ctx, web.Key())
	require.NoError(t, err)
	assert.NotContains(t, string(record.Spec), "second")

	s.kubectl("patch", "secret", "web-ring", "--type=merge", "-p", `{"data":{"key":null}}`)
	seen := s.observe(web)
	require.Len(t, seen.Drift, 1)
	assert.Equal(t, `.data["key"]`, seen.Drift[0].Field)
}

func TestEngineGivesAddressesOfNodePorts(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Services = append(web.Groups[0].Services, topology.Service{
		Name: "web-node", Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}},
	})
	var seen *engine.Observation
	first := s.requests.during(func() { s.up(web) })
	again := s.requests.during(func() { seen = s.observe(web) })
	assert.LessOrEqual(t, again, 3)
	assert.LessOrEqual(t, first+again, 15)
	assert.Equal(t, []string{"web." + s.namespace + ".svc:80"}, seen.Endpoints["web/http"])
	require.Len(t, seen.Endpoints["web-node/http"], 1)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		resp, err := http.Get("http://" + seen.Endpoints["web-node/http"][0])
		if !assert.NoError(c, err) {
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		assert.NoError(c, err)
		assert.Contains(c, string(body), "hello from web-")
	}, 10*time.Second, time.Second/4)
}

func TestEngineWaitsForALoadBalancer(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Services = []topology.Service{{Name: "web-lb", Exposure: topology.ExposeLoadBalancer, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	var not *engine.NotReadyError
	require.ErrorAs(t, s.wait(web, 8*time.Second), &not)
	assert.Contains(t, not.Message, "web-lb: waiting for a load balancer")

	waited := make(chan error, 1)
	go func() { waited <- s.wait(web, time.Minute) }()
	s.kubectl("patch", "service", "web-lb", "--subresource=status", "--type=merge", "-p", `{"status":{"loadBalancer":{"ingress":[{"hostname":"lb.test"}]}}}`)
	require.NoError(t, <-waited)
	assert.Equal(t, map[string][]string{"http": {"lb.test:80"}}, s.observe(web).Endpoints)
}

func TestEngineGrantsNoMoreThanIsAsked(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Grants = []topology.Grant{{Verb: topology.GrantElect, Names: []string{"leader"}}, {Verb: topology.GrantScale}}
	s.up(web)
	require.Empty(t, s.observe(web).Drift)
	may := func(what ...string) bool {
		out, _ := s.tryKubectl("", append([]string{"auth", "can-i", "--as=system:serviceaccount:" + s.namespace + ":web"}, what...)...)
		return strings.HasSuffix(out, "yes")
	}
	assert.True(t, may("patch", "leases.coordination.k8s.io/web-leader"))
	assert.False(t, may("create", "leases.coordination.k8s.io"))
	assert.False(t, may("patch", "leases.coordination.k8s.io/another"))
	assert.True(t, may("update", "deployments.apps/web", "--subresource=scale"))
	assert.False(t, may("update", "deployments.apps/web"))
	assert.False(t, may("get", "secrets"))
	assert.False(t, may("list", "pods"))
}

func TestEngineRunsGroupsToTheirEnd(t *testing.T) {
	s := newStage(t)
	work := s.demo(1)
	work.Groups = []topology.Group{{
		Name: "main", Identity: topology.ToCompletion, Completion: &topology.Completion{Count: 3, Parallelism: 2, Retries: 1},
		Containers: []topology.Container{
			s.container("helper", topology.Companion, "sleep"),
			s.container("work", topology.Main, "lookup", "kubernetes.default"),
		},
	}}
	s.up(work)
	seen := s.observe(work)
	assert.Equal(t, engine.GroupStatus{Desired: 3, Ready: 3, Updated: 3}, seen.Groups["main"])
	assert.Equal(t, "ready", seen.Phase)
	assert.Empty(t, seen.Drift)

	work.Groups[0].Containers[1].Args = []string{"lookup", "kubernetes.default.svc"}
	require.NoError(t, s.engine.Apply(s.ctx, work, engine.ApplyOptions{}), "a Job cannot change, so there is another")
	require.NoError(t, s.wait(work, time.Minute))
	assert.Len(t, strings.Fields(s.kubectl("get", "jobs", "-o", "name")), 1)
}

func TestEngineStartsCompanionsFirstAndPassesEverythingElseOn(t *testing.T) {
	s := newStage(t)
	s.kubectl("label", "namespace", s.namespace, "pod-security.kubernetes.io/enforce=restricted") // the strictest there is
	web := s.demo(2)
	g := &web.Groups[0]
	helper := s.container("helper", topology.Companion, "serve", "127.0.0.1:9090")
	helper.Ports, helper.Probes = nil, topology.Probes{}
	g.Containers = append(g.Containers, helper, s.container("first", topology.Init, "write", "/shared/x", "from first"))
	g.Volumes = []topology.Volume{{Name: "shared", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 20, Memory: true}}}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "shared", Path: "/shared"}}
	g.Containers[0].Security.User = new(int64(1000))
	g.Containers[0].Security.Group = new(int64(1000))
	g.Containers[2].Mounts = g.Containers[0].Mounts
	g.Containers[0].Env = []topology.Env{{Name: "A", Value: "$(B)"}, {Name: "REPLICA", Field: topology.FieldReplica}, {Name: "NODE", Field: topology.FieldNode}}
	g.Termination.DrainSeconds = 1
	g.Spread = []topology.Spread{{Over: "node"}}
	g.Priority = topology.PriorityLow
	g.Extras = map[string]json.RawMessage{"kubernetes": []byte(`{"max_unavailable":"1","host_aliases":[{"ip":"10.1.2.3","hostnames":["ledger"]}],"tolerations":[{"key":"a","operator":"Exists"}]}`)}
	web.Labels = map[string]string{"team": "shop"}
	s.up(web)
	assert.Empty(t, s.observe(web).Drift)
	assert.Equal(t, "from first", s.kubectl("exec", "deployment/web", "-c", "web", "--", "/demo", "cat", "/shared/x"))
	assert.Contains(t, s.kubectl("exec", "deployment/web", "-c", "web", "--", "/demo", "get", "http://127.0.0.1:9090/"), "hello from web-")
	_, err := s.tryKubectl("", "exec", "deployment/web", "-c", "web", "--", "/demo", "write", "/shared/y", "by another user")
	assert.NoError(t, err, "the volume belongs to the group of all")
	assert.Equal(t, "container-patterns-low", s.kubectl("get", "pods", "-o", "jsonpath={.items[0].spec.priorityClassName}"))
}

func TestEngineListsTheInstancesOfAPattern(t *testing.T) {
	s := newStage(t)
	for _, name := range []string{"a", "b"} {
		web := s.demo(0)
		web.Name, web.Groups[0].Services = name, nil
		web.Spec = []byte(`{"name":"` + name + `"}`)
		s.up(web)
	}
	all, err := s.engine.List(s.ctx, "", "sidecar")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, topology.Key{Pattern: "sidecar", Namespace: s.namespace, Name: "b"}, all[1].Key)
	assert.JSONEq(t, `{"name":"b"}`, string(all[1].Spec))
	assert.True(t, all[1].Complete)
	none, err := s.engine.List(s.ctx, s.namespace, "ambassador")
	require.NoError(t, err)
	assert.Empty(t, none)
}
