package workload

import (
	"encoding/json"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// MainName is the name of the main container, and of a workload's group.
const MainName = "main"

// What holds where the user says nothing.
const (
	defaultGraceSeconds = 30
	// A proxy on every node must hear that the replica is going before it goes.
	defaultDrainSeconds = 3
)

// Topology is the instance with this workload as its only group. Companions are the framework's and the developer's,
// in the order in which they start.
func (w *Workload) Topology(pattern string, i Instance, companions []topology.Container, volumes []topology.Volume, configs []topology.Config) *topology.Topology {
	g := topology.Group{
		Name:        MainName,
		Identity:    topology.Interchangeable,
		Replicas:    w.Replicas,
		Volumes:     append(w.volumes(), volumes...),
		Services:    w.services(i.Name),
		Priority:    w.priority(),
		Termination: w.Ending(),
		Extras:      map[string]json.RawMessage{},
	}
	if w.Identity == "stable" {
		g.Identity = topology.Stable
	}
	for n, c := range w.Init {
		g.Containers = append(g.Containers, c.Topology(c.Name, fault.At("init", n), topology.Init, w.Secrets))
	}
	g.Containers = append(g.Containers, companions...)
	g.Containers = append(g.Containers, w.Main.Topology(MainName, "main", topology.Main, w.Secrets))
	if w.Update != nil {
		g.Update.MinReadySeconds = w.Update.MinReady.Seconds()
	}
	for _, s := range w.Spread {
		g.Spread = append(g.Spread, topology.Spread{Over: s.Over, Required: s.Required})
	}
	for engine, extras := range map[string]json.RawMessage{"kubernetes": w.Kubernetes, "nomad": w.Nomad} {
		if len(extras) > 0 {
			g.Extras[engine] = extras
		}
	}
	return &topology.Topology{
		Pattern: pattern, Name: i.Name, Namespace: i.Namespace, Labels: i.Labels, Annotations: i.Annotations,
		Groups: []topology.Group{g}, Configs: append(w.configs(), configs...), Secrets: w.secrets(),
	}
}

// Ending is how a replica ends.
func (w *Workload) Ending() topology.Termination {
	t := topology.Termination{GraceSeconds: defaultGraceSeconds}
	if len(w.Expose) > 0 {
		t.DrainSeconds = defaultDrainSeconds
	}
	if e := w.Termination; e != nil {
		t.GraceSeconds, t.DrainSeconds = seconds(e.Grace, t.GraceSeconds), seconds(e.Drain, t.DrainSeconds)
	}
	return t
}

func (w *Workload) priority() topology.Priority {
	if w.Priority == "default" {
		return topology.PriorityDefault
	}
	return topology.Priority(w.Priority)
}

func (w *Workload) volumes() []topology.Volume {
	var out []topology.Volume
	for _, k := range sorted(w.Volumes) {
		v, t := w.Volumes[k], topology.Volume{Name: k}
		switch {
		case v.Ephemeral != nil:
			t.Ephemeral = &topology.EphemeralVolume{SizeBytes: int64(v.Ephemeral.Size), Memory: v.Ephemeral.Medium == "memory"}
		case v.Persistent != nil:
			p := v.Persistent
			t.Persistent = &topology.PersistentVolume{SizeBytes: int64(p.Size), Class: p.Class, Existing: p.Existing, Shared: p.Shared, DeleteWithInstance: p.DeleteWithInstance}
		case v.Config != nil:
			t.Config = k
		case v.Secret != nil:
			_, own := w.Secrets[v.Secret.Secret]
			t.Secret = &topology.SecretVolume{Name: v.Secret.Secret, Own: own}
		}
		out = append(out, t)
	}
	return out
}

func (w *Workload) configs() []topology.Config {
	var out []topology.Config
	for _, k := range sorted(w.Volumes) {
		if c := w.Volumes[k].Config; c != nil {
			out = append(out, topology.Config{Name: k, Files: c.Files, Reload: c.Reload})
		}
	}
	return out
}

func (w *Workload) secrets() []topology.Secret {
	var out []topology.Secret
	for _, k := range sorted(w.Secrets) {
		s := w.Secrets[k]
		out = append(out, topology.Secret{Name: k, Version: s.Version, Values: s.Values, Keys: sorted(s.Values), Generate: s.Generate})
	}
	return out
}

// ForgetSecrets removes write-only values.
func (w *Workload) ForgetSecrets() {
	for k, s := range w.Secrets {
		s.Values = nil
		w.Secrets[k] = s
	}
}

// services are one for each reach, so that the address of one does not change when another is added.
func (w *Workload) services(instance string) []topology.Service {
	byReach := map[string][]string{}
	for _, k := range sorted(w.Expose) {
		reach := w.Expose[k].Reach
		if reach == "" {
			reach = string(topology.ExposeCluster)
		}
		byReach[reach] = append(byReach[reach], k)
	}
	var out []topology.Service
	for _, reach := range []topology.Exposure{topology.ExposeCluster, topology.ExposeNode, topology.ExposeLoadBalancer} {
		if len(byReach[string(reach)]) == 0 {
			continue
		}
		s := topology.Service{Name: instance + ServiceSuffix(reach), Exposure: reach}
		for _, k := range byReach[string(reach)] {
			e := w.Expose[k]
			p := topology.ServicePort{Name: k, Port: e.Port, Target: e.Target, NodePort: e.NodePort}
			if p.Target == "" {
				p.Target = k
			}
			if p.Port == 0 {
				p.Port = w.Main.Ports[p.Target].Port
			}
			s.Ports = append(s.Ports, p)
			for a, v := range e.Annotations {
				if s.Annotations == nil {
					s.Annotations = map[string]string{}
				}
				s.Annotations[a] = v
			}
		}
		out = append(out, s)
	}
	return out
}

// ServiceSuffix is what the name of a Service has behind the instance's.
func ServiceSuffix(reach topology.Exposure) string {
	return map[topology.Exposure]string{topology.ExposeNode: "-node", topology.ExposeLoadBalancer: "-lb"}[reach]
}
