// Package sidecar is the paper's sidecar pattern (4.1): containers that extend and enhance a main one through the volumes
// that they share with it, such as a log saver or a content synchroniser.
package sidecar

import (
	"fmt"
	"maps"
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Name of the pattern.
const Name = "sidecar"

// Spec is what a user writes of a pattern_sidecar.
type Spec struct{ Group }

var _ patterns.Spec = (*Spec)(nil)

// Validate returns every fault of the spec.
func (s *Spec) Validate() fault.List {
	l := s.Group.Validate()
	if len(s.Sidecars) == 0 {
		l.Add("sidecars", "at least one sidecar is required: that is what the pattern is")
	}
	return l
}

// Topology is one group.
func (s *Spec) Topology(p patterns.Settings) *topology.Topology { return s.Group.Topology(Name, p) }

// Changes says what of a change from a former spec cannot be made in place.
func (s *Spec) Changes(former patterns.Spec) (replaced, refused fault.List) {
	return s.Group.Changes(&former.(*Spec).Group)
}

// Sidecars by name. Every pattern that runs developer containers takes such a map.
type Sidecars map[string]Sidecar

// Sidecar is exactly one of its kinds.
type Sidecar struct {
	LogSaver  *LogSaver           `json:"log_saver,omitempty"`
	Container *workload.Container `json:"container,omitempty"`
}

// Validate the sidecars of a workload, in the scope in which its other containers were validated.
func (m Sidecars) Validate(l *fault.List, at string, w *workload.Workload, scope *workload.Scope) {
	for _, k := range m.names() {
		s, at := m[k], fault.Key(at, k)
		workload.ContainerName(l, at, k)
		for i, c := range w.Init {
			if c.Name == k {
				l.Add(at, "%q is also the name of init[%d]: containers of a group need names of their own", k, i)
			}
		}
		switch {
		case (s.LogSaver == nil) == (s.Container == nil):
			l.Add(at, "exactly one of container, log_saver must be set")
		case s.LogSaver != nil:
			s.LogSaver.validate(l, at+".log_saver", k, w)
		default:
			s.Container.Validate(l, at+".container", scope)
		}
	}
	for k, port := range m.managementPorts(w) {
		if port > 65535 {
			l.Add(fault.Key(at, k), "no port is left for the management API")
		}
	}
}

// Parts are what sidecars add to a group.
type Parts struct {
	Containers []topology.Container
	Volumes    []topology.Volume
	Configs    []topology.Config
}

// Parts of the sidecars of a workload, which were written in an attribute; sorted by name, which is the order in which
// they start.
func (m Sidecars) Parts(pattern, at string, i workload.Instance, w *workload.Workload, p patterns.Settings) Parts {
	var parts Parts
	ports := m.managementPorts(w)
	for _, k := range m.names() {
		switch s := m[k]; {
		case s.LogSaver != nil:
			s.LogSaver.addTo(&parts, place{pattern: pattern, origin: fault.Key(at, k) + ".log_saver", instance: i, name: k, port: ports[k], workload: w, settings: p})
		default:
			parts.Containers = append(parts.Containers, s.Container.Topology(k, fault.Key(at, k)+".container", topology.Companion, w.Secrets))
		}
	}
	return parts
}

// Containers by name; nil for the framework's own.
func (m Sidecars) Containers() map[string]*workload.Container {
	out := map[string]*workload.Container{}
	for k, s := range m {
		out[k] = s.Container
	}
	return out
}

func (m Sidecars) names() []string { return slices.Sorted(maps.Keys(m)) }

// firstManagementPort is where the search for free ports begins.
const firstManagementPort = 9600

// managementPorts gives each framework sidecar a port that no developer container of the group has.
func (m Sidecars) managementPorts(w *workload.Workload) map[string]int {
	taken := map[int]bool{}
	take := func(c *workload.Container) {
		for _, p := range c.Ports {
			taken[p.Port] = true
		}
	}
	take(&w.Main)
	for _, s := range m {
		if s.Container != nil {
			take(s.Container)
		}
	}
	next, out := firstManagementPort, map[string]int{}
	for _, k := range m.names() {
		if m[k].LogSaver == nil {
			continue
		}
		for taken[next] {
			next++
		}
		out[k] = next
		next++
	}
	return out
}

// managementPortName is unique in the group, since management ports are.
func managementPortName(port int) string { return fmt.Sprintf("mgmt-%d", port) }
