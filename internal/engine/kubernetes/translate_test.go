package kubernetes

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files")

// minimal is the least that a topology can be.
func minimal() *topology.Topology {
	return &topology.Topology{
		Pattern: "sidecar", Name: "web", Namespace: "shop", Spec: json.RawMessage(`{"name":"web"}`),
		Groups: []topology.Group{{
			Name: "main", Identity: topology.Interchangeable, Replicas: new(1),
			Containers:  []topology.Container{{Name: "web", Origin: "main", Role: topology.Main, Image: "registry.test/web:1"}},
			Termination: topology.Termination{GraceSeconds: 30},
		}},
	}
}

// logSaver is the paper's first example: a web server whose log is saved by a sidecar.
func logSaver() *topology.Topology {
	t := minimal()
	t.Labels = map[string]string{"team": "shop", labelInstance: "overridden"}
	t.Annotations = map[string]string{"example.com/cost-centre": "42"}
	t.PullSecrets = []string{"registry"}
	t.Configs = []topology.Config{
		{Name: "logs-config", Files: map[string]string{"config.yaml": "inputs: []\n"}},
		{Name: "site", Files: map[string]string{"nginx.conf": "daemon off;\n"}, Reload: true},
	}
	g := &t.Groups[0]
	g.Replicas = new(2)
	g.Termination = topology.Termination{GraceSeconds: 20, DrainSeconds: 3}
	g.Update = topology.Update{MinReadySeconds: 2, ProgressSeconds: 120}
	g.Spread = []topology.Spread{{Over: "node"}, {Over: "zone", Required: true}}
	g.Volumes = []topology.Volume{
		{Name: "logs", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 30}},
		{Name: "cache", Ephemeral: &topology.EphemeralVolume{Memory: true}},
		{Name: "site", Config: "site"},
		{Name: "logs-config", Config: "logs-config"},
	}
	g.Services = []topology.Service{{
		Name: "web", Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}},
		Annotations: map[string]string{"example.com/public": "no"},
	}}
	g.Containers = []topology.Container{
		{
			Name: "web", Role: topology.Main, Image: "registry.test/nginx:1", PullPolicy: topology.PullIfNotPresent,
			Args: []string{"-g", "echo $(HOSTNAME) $HOME $$"}, WorkDir: "/srv",
			Env: []topology.Env{
				{Name: "GREETING", Value: "$(hello)"}, {Name: "REPLICA", Field: topology.FieldReplica}, {Name: "NODE", Field: topology.FieldNode},
				{Name: "ADDRESS", Field: topology.FieldAddress}, {Name: "PASSWORD", Secret: &topology.SecretKey{Name: "there-already", Key: "password"}},
			},
			Ports: []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}},
			Mounts: []topology.Mount{
				{Volume: "logs", Path: "/var/log/nginx"}, {Volume: "cache", Path: "/var/cache", SubPath: "nginx"}, {Volume: "site", Path: "/etc/nginx", ReadOnly: true},
			},
			Resources: topology.Resources{
				Requests: topology.Amounts{MilliCPU: 1000, MemoryBytes: 128 << 20},
				Limits:   topology.Amounts{MemoryBytes: 256 << 20, StorageBytes: 2 << 30},
			},
			Probes: topology.Probes{
				Startup:   &topology.Probe{TCP: &topology.TCPAction{Port: "http"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 30},
				Readiness: &topology.Probe{HTTP: &topology.HTTPAction{Port: "http", Path: "/healthz"}, PeriodSeconds: 2, TimeoutSeconds: 1, FailureThreshold: 3},
				Liveness:  &topology.Probe{Exec: []string{"check", "$(x)"}, PeriodSeconds: 10, TimeoutSeconds: 2, FailureThreshold: 3, DelaySeconds: 5},
			},
			Hooks: topology.Hooks{PostStart: &topology.Hook{Exec: []string{"warm-up"}}},
		},
		{
			Name: "logs", Role: topology.Companion, Framework: true, Image: "registry.test/logsaver:1",
			Ports:     []topology.Port{{Name: "logs-management", Number: 9901, Protocol: "tcp"}},
			Mounts:    []topology.Mount{{Volume: "logs", Path: "/var/log/nginx", ReadOnly: true}, {Volume: "logs-config", Path: "/etc/pattern", ReadOnly: true}},
			Resources: topology.Resources{Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 32 << 20}, Limits: topology.Amounts{MemoryBytes: 96 << 20}},
			Probes:    topology.Probes{Startup: &topology.Probe{HTTP: &topology.HTTPAction{Port: "logs-management", Path: "/health/startup"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 60}},
			Security:  topology.Security{User: new(int64(65532)), Group: new(int64(65532))},
		},
		{Name: "prepare", Role: topology.Init, Image: "registry.test/prepare:1", Mounts: []topology.Mount{{Volume: "cache", Path: "/cache"}}},
	}
	return t
}

func stable() *topology.Topology {
	t := minimal()
	g := &t.Groups[0]
	g.Name, g.Identity, g.Replicas = "shard", topology.Stable, new(3)
	g.Volumes = []topology.Volume{
		{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 10 << 30, Class: "fast"}},
		{Name: "scratch", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 30, DeleteWithInstance: true}},
		{Name: "library", Persistent: &topology.PersistentVolume{Existing: "library", Shared: true}},
	}
	c := &g.Containers[0]
	c.Mounts = []topology.Mount{{Volume: "data", Path: "/data"}, {Volume: "scratch", Path: "/scratch"}, {Volume: "library", Path: "/library", ReadOnly: true}}
	c.Env = []topology.Env{{Name: "INDEX", Field: topology.FieldIndex}, {Name: "REPLICA", Field: topology.FieldReplica}}
	return t
}

func shared() *topology.Topology {
	t := minimal()
	t.Groups[0].Volumes = []topology.Volume{
		{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 30}},
		{Name: "scratch", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 30, Shared: true, DeleteWithInstance: true}},
	}
	return t
}

func toCompletion() *topology.Topology {
	t := minimal()
	one := t.Groups[0]
	one.Name, one.Identity, one.Replicas = "one", topology.ToCompletion, nil
	one.Completion = &topology.Completion{Count: 1, Parallelism: 1, Retries: 2}
	many := one
	many.Name, many.Completion = "many", &topology.Completion{Count: 5, Parallelism: 2, Retries: 1}
	many.Containers = []topology.Container{{Name: "work", Role: topology.Main, Image: "registry.test/work:1", Env: []topology.Env{{Name: "INDEX", Field: topology.FieldIndex}}}}
	t.Groups = []topology.Group{one, many}
	return t
}

func granted() *topology.Topology {
	t := minimal()
	t.Groups[0].Grants = []topology.Grant{{Verb: topology.GrantElect, Names: []string{"leader"}}, {Verb: topology.GrantScale}, {Verb: topology.GrantObserve}}
	other := stable().Groups[0]
	other.Grants = []topology.Grant{{Verb: topology.GrantScale, Names: []string{"main"}}}
	other.Extras = map[string]json.RawMessage{"kubernetes": json.RawMessage(`{"service_account":"there-already"}`)}
	t.Groups = append(t.Groups, other)
	return t
}

func loosened() *topology.Topology {
	t := minimal()
	image := "registry.test/legacy:1"
	t.Groups[0].Containers = []topology.Container{
		{Name: "legacy", Role: topology.Main, Image: image, Security: topology.Security{
			Root: true, User: new(int64(0)), WritableRoot: true, Escalation: true, Unconfined: true, Capabilities: []string{"NET_BIND_SERVICE"},
		}},
		{Name: "driver", Role: topology.Companion, Image: image, Security: topology.Security{Privileged: true, Root: true}},
	}
	return t
}

func secretive() *topology.Topology {
	t := minimal()
	t.Secrets = []topology.Secret{
		{Name: "login", Version: "3", Keys: []string{"password"}, Values: map[string]string{"password": "not to be seen"}},
		{Name: "ring", Generate: map[string]int{"key": 32}},
		{Name: "unread", Version: "1"},
	}
	g := &t.Groups[0]
	g.Volumes = []topology.Volume{{Name: "ring", Secret: &topology.SecretVolume{Name: "ring", Own: true}}, {Name: "tls", Secret: &topology.SecretVolume{Name: "there-already"}}}
	g.Containers[0].Env = []topology.Env{{Name: "PASSWORD", Secret: &topology.SecretKey{Name: "login", Key: "password", Own: true}}}
	return t
}

func exposed() *topology.Topology {
	t := minimal()
	g := &t.Groups[0]
	g.Containers[0].Ports = []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}, {Name: "dns", Number: 5353, Protocol: "udp"}}
	g.Services = []topology.Service{
		{Name: "web", Headless: true, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}},
		{Name: "web-node", Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http", NodePort: 30080}, {Name: "dns", Port: 53, Target: "dns"}}},
		{Name: "web-lb", Exposure: topology.ExposeLoadBalancer, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}},
	}
	return t
}

func autoscaled() *topology.Topology {
	t := minimal()
	t.Groups[0].Replicas = nil
	return t
}

func extravagant() *topology.Topology {
	t := minimal()
	t.Groups[0].Priority = topology.PriorityHigh
	t.Groups[0].Extras = map[string]json.RawMessage{"kubernetes": json.RawMessage(`{
		"node_selector": {"disk": "ssd"},
		"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 60}],
		"affinity": "{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,\"preference\":{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\",\"values\":[\"a\"]}]}}]}}",
		"runtime_class": "gvisor", "pod_annotations": {"example.com/a": "b"}, "pod_labels": {"tier": "front"},
		"host_aliases": [{"ip": "10.0.0.1", "hostnames": ["ledger"]}], "fs_group": -1, "dns_policy": "Default", "scheduler": "other", "max_unavailable": "25%"
	}`)}
	return t
}

// goldens are what there are golden files of.
func goldens() map[string]*topology.Topology {
	return map[string]*topology.Topology{
		"minimal": minimal(), "log-saver": logSaver(), "stable": stable(), "shared": shared(), "to-completion": toCompletion(), "granted": granted(),
		"loosened": loosened(), "secretive": secretive(), "exposed": exposed(), "autoscaled": autoscaled(), "extravagant": extravagant(), "workers": workers(),
	}
}

func TestTranslationIsAsInTheGoldenFile(t *testing.T) {
	for name, in := range goldens() {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, New(Config{}).Check(in))
			got, err := Manifest(in, Options{})
			require.NoError(t, err)
			file := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				require.NoError(t, os.WriteFile(file, got, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
			assert.NotContains(t, string(got), "creationTimestamp")
			assert.NotContains(t, string(got), "status:")
			assert.NotContains(t, string(got), "not to be seen")
		})
	}
}

func TestEqualTopologiesGiveEqualBytes(t *testing.T) {
	first, err := Manifest(logSaver(), Options{})
	require.NoError(t, err)
	for range 50 { // maps are walked in another order each time
		again, err := Manifest(logSaver(), Options{})
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
	}
}

func TestOnlyWhatRunsInAReplicaChangesItsRevision(t *testing.T) {
	revision := func(in *topology.Topology) string {
		objects, err := Translate(in, Options{})
		require.NoError(t, err)
		return newScene(in, objects, dawn).actors[0].revision
	}
	before := revision(logSaver())
	for _, c := range []struct {
		name    string
		change  func(*topology.Topology)
		renewed bool
	}{
		{"more replicas leave the running ones alone", func(t *topology.Topology) { t.Groups[0].Replicas = new(7) }, false},
		{"a service's port leaves the replicas alone", func(t *topology.Topology) { t.Groups[0].Services[0].Ports[0].Port = 81 }, false},
		{"a watched config leaves the replicas alone", func(t *topology.Topology) { t.Configs[1].Files = map[string]string{"nginx.conf": "user nobody;"} }, false},
		{"the recorded spec leaves the replicas alone", func(t *topology.Topology) { t.Spec = json.RawMessage(`{}`) }, false},
		{"a config that is not watched renews the replicas", func(t *topology.Topology) { t.Configs[0].Files = map[string]string{"config.yaml": "inputs: [1]"} }, true},
		{"another image renews the replicas", func(t *topology.Topology) { t.Groups[0].Containers[1].Image = "registry.test/logsaver:2" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := logSaver()
			c.change(in)
			assert.Equal(t, c.renewed, before != revision(in))
		})
	}
	t.Run("a new version of a secret renews those who read it", func(t *testing.T) {
		in := secretive()
		in.Secrets[0].Version = "4"
		assert.NotEqual(t, revision(secretive()), revision(in))
		in = secretive()
		in.Secrets[2].Version = "2"
		assert.Equal(t, revision(secretive()), revision(in))
	})
}

func TestNamespaceOfTheOptionsIsForThoseThatNameNone(t *testing.T) {
	in := minimal()
	objects, err := Translate(in, Options{Namespace: "other"})
	require.NoError(t, err)
	assert.Equal(t, "shop", objects[0].GetNamespace())
	in.Namespace = ""
	objects, err = Translate(in, Options{Namespace: "other"})
	require.NoError(t, err)
	for _, o := range objects {
		assert.Equal(t, "other", o.GetNamespace())
	}
	assert.Equal(t, in.Revision(), objects[0].GetAnnotations()[annotationRevision], "the revision is the caller's own")
	text, err := Manifest(in, Options{})
	require.NoError(t, err)
	assert.NotContains(t, strings.Split(string(text), "\n"), "  namespace:")
}
