// Package leaderelection is the paper's leader election pattern (5.1): an elector stands beside each replica of an application, and
// they elect among themselves; the application asks its own on localhost.
package leaderelection

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Name of the pattern.
const Name = "leader_election"

// Spec is what a user writes of a pattern_leader_election.
type Spec struct{ sidecar.Group }

var _ patterns.Spec = (*Spec)(nil)

// Validate returns every fault of the spec.
func (s *Spec) Validate() fault.List {
	l := s.Group.Validate()
	if s.Empty() {
		l.Add("elections", "at least one election, or a set of them in election_sets, is required: that is what the pattern is")
	}
	if r := s.Replicas; r != nil && *r == 1 {
		l.Add("replicas", "one replica is always the leader, and nobody follows it: have at least 2")
	}
	return l
}

// Topology is one group.
func (s *Spec) Topology(p patterns.Settings) *topology.Topology { return s.Group.Topology(Name, p) }

// Changes says what of a change from a former spec cannot be made in place.
func (s *Spec) Changes(former patterns.Spec) (replaced, refused fault.List) {
	return s.Group.Changes(&former.(*Spec).Group)
}
