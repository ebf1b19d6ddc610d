package kubernetes

import (
	"fmt"
	"strings"

	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Lengths that the API, or what it derives from a name, allows.
const (
	// maxService is a DNS label; so is a Job's name, which becomes a label of its Pods.
	maxService = 63
	// maxStatefulSet leaves room for the digest that is appended in a label.
	maxStatefulSet = 52
	// maxDeployment is a DNS label as well; the names of its Pods are cut where they grow too long.
	maxDeployment = 63
	// maxFiles is what a ConfigMap's data may hold, less something for the rest.
	maxFiles = 1 << 20
)

// Check finds what Kubernetes cannot do of a topology. See engine.Engine.
func (e *Engine) Check(t *topology.Topology) []engine.Fault {
	var f fault.List
	if t.Namespace != "" {
		for _, msg := range validation.IsDNS1123Label(t.Namespace) {
			f.Add("namespace", "%s", msg)
		}
	}
	for _, bad := range metavalidation.ValidateLabels(t.Labels, field.NewPath("labels")) {
		f.Add(bad.Field, "%s", bad.ErrorBody())
	}
	for k := range t.Annotations {
		for _, msg := range validation.IsQualifiedName(strings.ToLower(k)) {
			f.Add(fault.Key("annotations", k), "%s", msg)
		}
	}
	for i := range t.Configs {
		size := 0
		for file, text := range t.Configs[i].Files {
			size += len(text)
			for _, msg := range validation.IsConfigMapKey(file) {
				f.Add(fault.Key(fault.Key("volumes", t.Configs[i].Name)+".config.files", file), "%s", msg)
			}
		}
		if size > maxFiles {
			f.Add(fault.Key("volumes", t.Configs[i].Name)+".config.files", "all files have %d bytes; Kubernetes keeps at most %d in one ConfigMap, so put them into a volume or an image", size, maxFiles)
		}
	}
	for i := range t.Secrets {
		for _, key := range secretKeys(&t.Secrets[i]) {
			for _, msg := range validation.IsConfigMapKey(key) {
				f.Add(fault.Key("secrets", t.Secrets[i].Name), "the key %q: %s", key, msg)
			}
		}
	}
	engine.CheckEndpoints(&f, t)
	for i := range t.Groups {
		checkGroup(&f, t, &t.Groups[i])
	}
	return f
}

func checkLength(f *fault.List, part, name string, most int) {
	if len(name) > most {
		f.Add("name", "the object of %q would be called %q, which has %d bytes; Kubernetes allows %d, so choose a shorter name", part, name, len(name), most)
	}
}

func checkGroup(f *fault.List, t *topology.Topology, g *topology.Group) {
	name := ObjectName(t.Name, g.Name)
	switch g.Identity {
	case topology.Stable:
		checkLength(f, g.Name, name, maxStatefulSet)
	case topology.ToCompletion:
		checkLength(f, g.Name, name+"-0123456789", maxService)
	default:
		checkLength(f, g.Name, name, maxDeployment)
	}
	for _, s := range g.Services {
		checkServicePorts(f, g, &s)
		checkLength(f, s.Name, s.Name, maxService)
		if s.Name != "" && (s.Name[0] < 'a' || s.Name[0] > 'z') {
			f.Add("name", "the service would be called %q; Kubernetes wants a letter first", s.Name)
		}
	}
	for i := range g.Containers {
		checkContainer(f, g, &g.Containers[i])
	}
	for _, v := range g.Volumes {
		checkVolume(f, g, &v)
		checkWatched(f, t, g, &v)
	}
	checkExtras(f, g)
}

// checkServicePorts finds ports of a service that are the same.
func checkServicePorts(f *fault.List, g *topology.Group, s *topology.Service) {
	protocols := map[string]string{}
	for _, c := range g.Containers {
		for _, p := range c.Ports {
			protocols[p.Name] = p.Protocol
		}
	}
	first := map[string]string{}
	for _, p := range s.Ports {
		key := fmt.Sprintf("%d/%s", p.Port, protocols[p.Target])
		if other, taken := first[key]; taken {
			f.Add(fault.Key("expose", p.Name)+".port", "%s is also the port of expose[%q]: a Service has each of its ports once, so choose another", key, other)
		}
		first[key] = p.Name
	}
}

func checkContainer(f *fault.List, g *topology.Group, c *topology.Container) {
	for _, p := range c.Ports {
		for _, msg := range validation.IsValidPortName(p.Name) {
			f.Add(fault.Key(c.Origin+".ports", p.Name), "the name %s", msg)
		}
	}
	for _, m := range c.Mounts {
		if strings.Contains(m.Path, ":") {
			f.Add(fault.Key(c.Origin+".mounts", m.Volume)+".path", "Kubernetes mounts nothing at %q, because of the colon", m.Path)
		}
	}
	for _, e := range c.Env {
		if e.Field == topology.FieldIndex && g.Identity == topology.Interchangeable {
			f.Add(c.Origin, "%s is the index of a replica, which interchangeable replicas have not", e.Name)
		}
	}
	if c.StopSignal != "" {
		f.Add(c.Origin+".stop_signal", "cannot be set on Kubernetes; a STOPSIGNAL in the image is honoured, and a pre_stop hook can send any signal")
	}
	if c.Role == topology.Init && (c.Probes != topology.Probes{} || c.Hooks != topology.Hooks{}) {
		f.Add(c.Origin, "an init container runs to its end, so it has no probes and no hooks")
	}
	for _, r := range []struct {
		what           string
		request, limit int64
	}{
		{"cpu", c.Resources.Requests.MilliCPU, c.Resources.Limits.MilliCPU},
		{"memory", c.Resources.Requests.MemoryBytes, c.Resources.Limits.MemoryBytes},
		{"storage", c.Resources.Requests.StorageBytes, c.Resources.Limits.StorageBytes},
	} {
		if r.limit > 0 && r.request > r.limit {
			f.Add(c.Origin+".resources.requests."+r.what, "is above the limit")
		}
	}
}

func checkVolume(f *fault.List, g *topology.Group, v *topology.Volume) {
	p := v.Persistent
	if p == nil {
		return
	}
	for _, msg := range validation.IsDNS1123Subdomain(p.Class) {
		if p.Class != "" {
			f.Add(fault.Key("volumes", v.Name)+".persistent.class", "%q: %s", p.Class, msg)
		}
	}
	if g.Identity == topology.Interchangeable && !p.Shared && (g.Replicas == nil || *g.Replicas > 1) {
		f.Add(fault.Key("volumes", v.Name)+".persistent.shared", "all replicas would share the volume, and only one machine can mount it; set shared with a storage class that allows it, or have one replica")
	}
}

// checkWatched finds mounts of single files, which Kubernetes never refreshes.
func checkWatched(f *fault.List, t *topology.Topology, g *topology.Group, v *topology.Volume) {
	for _, config := range t.Configs {
		if config.Name != v.Config || !config.Reload {
			continue
		}
		for _, c := range g.Containers {
			for _, m := range c.Mounts {
				if m.Volume == v.Name && m.SubPath != "" {
					f.Add(fault.Key(c.Origin+".mounts", v.Name)+".sub_path", "the files of %q are to be reloaded, which Kubernetes does not do for a mount with a sub path; mount the whole volume", config.Name)
				}
			}
		}
	}
}

// checkExtras finds what is wrong in `kubernetes = {...}`.
func checkExtras(f *fault.List, g *topology.Group) {
	x, err := extras(g)
	if err != nil {
		f.Add("kubernetes", "%s", strings.TrimPrefix(err.Error(), "kubernetes: "))
		return
	}
	const at = "kubernetes"
	for _, set := range []struct {
		name   string
		labels map[string]string
	}{{"node_selector", x.NodeSelector}, {"pod_labels", x.PodLabels}} {
		for _, bad := range metavalidation.ValidateLabels(set.labels, field.NewPath(at, set.name)) {
			f.Add(bad.Field, "%s", bad.ErrorBody())
		}
	}
	for k := range x.PodLabels {
		if strings.HasPrefix(k, topology.LabelPrefix) {
			f.Add(fault.Key(at+".pod_labels", k), "labels that begin with %s are the provider's own", topology.LabelPrefix)
		}
	}
	for k := range x.PodAnnotations {
		for _, msg := range validation.IsQualifiedName(strings.ToLower(k)) {
			f.Add(fault.Key(at+".pod_annotations", k), "%s", msg)
		}
	}
	if _, err := x.affinity(); err != nil {
		f.Add(at+".affinity", "%s; it must be the JSON of a Kubernetes Affinity", strings.TrimPrefix(err.Error(), "kubernetes.affinity: "))
	}
	for name, value := range map[string]string{"runtime_class": x.RuntimeClass, "priority_class": x.PriorityClass, "service_account": x.ServiceAccount, "scheduler": x.Scheduler} {
		for _, msg := range validation.IsDNS1123Subdomain(value) {
			if value != "" {
				f.Add(fault.Join(at, name), "%s", msg)
			}
		}
	}
	checkTolerations(f, at+".tolerations", x.Tolerations)
	for i, a := range x.HostAliases {
		for _, bad := range validation.IsValidIP(field.NewPath("ip"), a.IP) {
			f.Add(fault.At(at+".host_aliases", i)+".ip", "%s", bad.ErrorBody())
		}
		if len(a.Hostnames) == 0 {
			f.Add(fault.At(at+".host_aliases", i)+".hostnames", "at least one is needed")
		}
	}
	switch x.DNSPolicy {
	case "", "ClusterFirst", "Default":
	default:
		f.Add(at+".dns_policy", "must be ClusterFirst or Default, got %q", x.DNSPolicy)
	}
	if x.FSGroup != nil && *x.FSGroup < -1 {
		f.Add(at+".fs_group", "must be a group ID, or -1 for the cluster's choice, got %d", *x.FSGroup)
	}
	if x.MaxUnavailable != "" {
		v := intstr.Parse(x.MaxUnavailable)
		if n, err := intstr.GetScaledValueFromIntOrPercent(&v, 100, true); err != nil || n < 0 {
			f.Add(at+".max_unavailable", "must be a number or a percentage, got %q", x.MaxUnavailable)
		}
	}
}

func checkTolerations(f *fault.List, at string, all []Toleration) {
	for i, tol := range all {
		path := fault.At(at, i)
		switch tol.Operator {
		case "", "Equal":
			if tol.Key == "" {
				f.Add(path+".key", "only the operator Exists goes without a key")
			}
		case "Exists":
			if tol.Value != "" {
				f.Add(path+".value", "the operator Exists takes no value")
			}
		default:
			f.Add(path+".operator", "must be Equal or Exists, got %q", tol.Operator)
		}
		switch tol.Effect {
		case "", "NoSchedule", "PreferNoSchedule", "NoExecute":
		default:
			f.Add(path+".effect", "must be NoSchedule, PreferNoSchedule or NoExecute, got %q", tol.Effect)
		}
		if tol.TolerationSeconds != nil && tol.Effect != "NoExecute" {
			f.Add(path+".toleration_seconds", "goes with the effect NoExecute only")
		}
	}
}
