package kubernetes

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestCheckFindsWhatKubernetesCannotDo(t *testing.T) {
	extra := func(raw string) func(*topology.Topology, *topology.Group) {
		return func(_ *topology.Topology, g *topology.Group) {
			g.Extras = map[string]json.RawMessage{"kubernetes": json.RawMessage(raw)}
		}
	}
	for _, c := range []struct {
		name    string
		change  func(*topology.Topology, *topology.Group)
		path    string
		message string
	}{
		{"a name that is too long for a Deployment", func(t *topology.Topology, _ *topology.Group) { t.Name = strings.Repeat("n", 64) }, "name", "Kubernetes allows 63"},
		{"a namespace that is none here", func(t *topology.Topology, _ *topology.Group) { t.Namespace = "team_a" }, "namespace", "RFC 1123"},
		{"the index of a replica that has none", func(_ *topology.Topology, g *topology.Group) {
			g.Containers[0].Env = []topology.Env{{Name: "INDEX", Field: topology.FieldIndex}}
		}, "main", "interchangeable replicas have not"},
		{"a name that is too long for a Job's Pods", func(t *topology.Topology, g *topology.Group) {
			t.Name, g.Identity = strings.Repeat("n", 53), topology.ToCompletion
		}, "name", "Kubernetes allows 63"},
		{"a name that is too long for a service", func(_ *topology.Topology, g *topology.Group) {
			g.Services = []topology.Service{{Name: strings.Repeat("s", 64)}}
		}, "name", "Kubernetes allows 63"},
		{"a port that a service has twice", func(_ *topology.Topology, g *topology.Group) {
			g.Containers[0].Ports = []topology.Port{{Name: "a", Number: 1, Protocol: "tcp"}, {Name: "b", Number: 2, Protocol: "tcp"}, {Name: "c", Number: 3, Protocol: "udp"}}
			g.Services = []topology.Service{{Name: "web", Ports: []topology.ServicePort{{Name: "a", Port: 80, Target: "a"}, {Name: "b", Port: 80, Target: "b"}, {Name: "c", Port: 80, Target: "c"}}}}
		}, `expose["b"].port`, `expose["a"]`},
		{"a label that is none", func(t *topology.Topology, _ *topology.Group) { t.Labels = map[string]string{"a": "no spaces"} }, "labels", "no spaces"},
		{"an annotation's name that is none", func(t *topology.Topology, _ *topology.Group) { t.Annotations = map[string]string{"a b": "c"} }, `annotations["a b"]`, "must consist of"},
		{"files that no ConfigMap can hold", func(t *topology.Topology, _ *topology.Group) {
			t.Configs = []topology.Config{{Name: "big", Files: map[string]string{"a": strings.Repeat("a", 1<<20+1)}}}
		}, `volumes["big"].config.files`, "put them into a volume or an image"},
		{"a port's name that is too long", func(_ *topology.Topology, g *topology.Group) {
			g.Containers[0].Ports = []topology.Port{{Name: "sixteen-letters1", Number: 1}}
		}, `main.ports["sixteen-letters1"]`, "must be no more than 15 characters"},
		{"a service whose name begins with a digit", func(_ *topology.Topology, g *topology.Group) { g.Services = []topology.Service{{Name: "1web"}} }, "name", "wants a letter first"},
		{"a file's name that is a path", func(t *topology.Topology, _ *topology.Group) {
			t.Configs = []topology.Config{{Name: "c", Files: map[string]string{"a/b": ""}}}
		}, `volumes["c"].config.files["a/b"]`, "must consist of"},
		{"a secret's key that is a path", func(t *topology.Topology, _ *topology.Group) {
			t.Secrets = []topology.Secret{{Name: "s", Keys: []string{"a/b"}}}
		}, `secrets["s"]`, `the key "a/b"`},
		{"a mount at a path with a colon", func(_ *topology.Topology, g *topology.Group) {
			g.Containers[0].Mounts = []topology.Mount{{Volume: "v", Path: "/a:b"}}
		}, `main.mounts["v"].path`, "because of the colon"},
		{"a stop signal", func(_ *topology.Topology, g *topology.Group) { g.Containers[0].StopSignal = "SIGQUIT" }, "main.stop_signal", "cannot be set on Kubernetes"},
		{"probes of an init container", func(_ *topology.Topology, g *topology.Group) {
			g.Containers[0].Role, g.Containers[0].Probes.Liveness = topology.Init, &topology.Probe{}
		}, "main", "no probes and no hooks"},
		{"a request above the limit", func(_ *topology.Topology, g *topology.Group) {
			g.Containers[0].Resources = topology.Resources{Requests: topology.Amounts{MemoryBytes: 2}, Limits: topology.Amounts{MemoryBytes: 1}}
		}, "main.resources.requests.memory", "above the limit"},
		{"a storage class that is none", func(_ *topology.Topology, g *topology.Group) {
			g.Volumes = []topology.Volume{{Name: "v", Persistent: &topology.PersistentVolume{Class: "No Class"}}}
		}, `volumes["v"].persistent.class`, "No Class"},
		{"a volume of one machine for many replicas", func(_ *topology.Topology, g *topology.Group) {
			g.Replicas, g.Volumes = new(2), []topology.Volume{{Name: "v", Persistent: &topology.PersistentVolume{SizeBytes: 1}}}
		}, `volumes["v"].persistent.shared`, "only one machine can mount it"},
		{"a part of a watched config", func(t *topology.Topology, g *topology.Group) {
			t.Configs = []topology.Config{{Name: "c", Reload: true}}
			g.Volumes = []topology.Volume{{Name: "v", Config: "c"}}
			g.Containers[0].Mounts = []topology.Mount{{Volume: "v", Path: "/c", SubPath: "a"}}
		}, `main.mounts["v"].sub_path`, "mount the whole volume"},
		{"extras that do not exist", extra(`{"node_selektor":{}}`), "kubernetes", "node_selektor"},
		{"extras of the wrong type", extra(`{"node_selector":[]}`), "kubernetes", "node_selector"},
		{"a node selector that is none", extra(`{"node_selector":{"a":"no spaces"}}`), "kubernetes.node_selector", "no spaces"},
		{"a label of ours", extra(`{"pod_labels":{"container-patterns.dev/group":"x"}}`), `kubernetes.pod_labels["container-patterns.dev/group"]`, "the provider's own"},
		{"an annotation of Pods whose name is none", extra(`{"pod_annotations":{"a b":""}}`), `kubernetes.pod_annotations["a b"]`, "must consist of"},
		{"an affinity that is none", extra(`{"affinity":"{\"nodes\":1}"}`), "kubernetes.affinity", "must be the JSON of a Kubernetes Affinity"},
		{"a class with a bad name", extra(`{"runtime_class":"No Class"}`), "kubernetes.runtime_class", "lower case"},
		{"a toleration without a key", extra(`{"tolerations":[{"value":"x"}]}`), "kubernetes.tolerations[0].key", "only the operator Exists"},
		{"a toleration with a value too many", extra(`{"tolerations":[{"key":"a","operator":"Exists","value":"x"}]}`), "kubernetes.tolerations[0].value", "takes no value"},
		{"a toleration with an unknown operator", extra(`{"tolerations":[{"key":"a","operator":"In"}]}`), "kubernetes.tolerations[0].operator", `got "In"`},
		{"a toleration with an unknown effect", extra(`{"tolerations":[{"key":"a","effect":"No"}]}`), "kubernetes.tolerations[0].effect", `got "No"`},
		{"a toleration with a time that means nothing", extra(`{"tolerations":[{"key":"a","effect":"NoSchedule","toleration_seconds":1}]}`), "kubernetes.tolerations[0].toleration_seconds", "NoExecute only"},
		{"a host alias without an address", extra(`{"host_aliases":[{"ip":"here","hostnames":["a"]}]}`), "kubernetes.host_aliases[0].ip", "must be a valid IP"},
		{"a host alias without names", extra(`{"host_aliases":[{"ip":"10.0.0.1","hostnames":[]}]}`), "kubernetes.host_aliases[0].hostnames", "at least one"},
		{"an unknown DNS policy", extra(`{"dns_policy":"None"}`), "kubernetes.dns_policy", `got "None"`},
		{"a group ID that is none", extra(`{"fs_group":-2}`), "kubernetes.fs_group", "got -2"},
		{"a disruption budget that is none", extra(`{"max_unavailable":"some"}`), "kubernetes.max_unavailable", `got "some"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := minimal()
			c.change(in, &in.Groups[0])
			faults := New(Config{}).Check(in)
			require.Len(t, faults, 1)
			assert.Equal(t, c.path, faults[0].Path)
			assert.Contains(t, faults[0].Message, c.message)
		})
	}
}

func TestCheckFindsNothingInWhatOnlyOtherEnginesHave(t *testing.T) {
	in := minimal()
	in.Groups[0].Extras = map[string]json.RawMessage{"nomad": json.RawMessage(`{"driver":"exec"}`), "kubernetes": json.RawMessage(` `)}
	assert.Empty(t, New(Config{}).Check(in))
}
