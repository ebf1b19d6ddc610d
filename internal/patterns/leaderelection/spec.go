// Package leaderelection is the paper's leader election pattern (5.1): an elector stands beside each replica of an application, and
// they elect among themselves; the application asks its own on localhost.
package leaderelection

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Name of the pattern.
const Name = "leader_election"

// Spec is what a user writes of a pattern_leader_election.
type Spec struct {
	workload.Instance
	workload.Workload
	elections.Elections
	Sidecars sidecar.Sidecars `json:"sidecars,omitempty"`
}

var _ patterns.Spec = (*Spec)(nil)

// Validate returns every fault of the spec.
func (s *Spec) Validate() fault.List {
	var l fault.List
	s.Instance.Validate(&l)
	scope := s.Scope()
	s.Workload.Validate(&l, scope)
	s.Sidecars.Validate(&l, "sidecars", &s.Workload, scope)
	if s.Empty() {
		l.Add("elections", "at least one election, or a set of them in election_sets, is required: that is what the pattern is")
	}
	if r := s.Replicas; r != nil && *r == 1 {
		l.Add("replicas", "one replica is always the leader, and nobody follows it: have at least 2")
	}
	s.Elections.Validate(&l, &s.Workload, s.Sidecars.Containers(), scope)
	return l
}

// Topology is one group: main, the elector, and the sidecars beside it.
func (s *Spec) Topology(p patterns.Settings) *topology.Topology {
	parts := s.Sidecars.Parts(Name, "sidecars", s.Instance, &s.Workload, p)
	t := s.Workload.Topology(Name, s.Instance, parts.Containers, parts.Volumes, parts.Configs)
	s.Elections.AddTo(t, &t.Groups[0], &s.Workload, "", p)
	p.Apply(t)
	return t
}

// Changes says what of a change from a former spec cannot be made in place.
func (s *Spec) Changes(former patterns.Spec) (replaced, refused fault.List) {
	was := former.(*Spec)
	replaced, refused = s.Workload.Changes(&was.Workload)
	replaced = append(s.Instance.Changes(&was.Instance), replaced...)
	return append(replaced, s.Elections.Changes(&was.Elections, &s.Workload, &was.Workload)...), refused
}
