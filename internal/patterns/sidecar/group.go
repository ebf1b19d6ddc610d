package sidecar

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Group is an instance of one group: main, and the companions beside it. The patterns that decorate a group differ in which of the
// companions they require.
type Group struct {
	workload.Instance
	workload.Workload
	Sidecars Sidecars `json:"sidecars,omitempty"`
	elections.Elections
}

// Validate returns every fault of the group.
func (g *Group) Validate() fault.List {
	var l fault.List
	g.Instance.Validate(&l)
	scope := g.Scope()
	g.Workload.Validate(&l, scope)
	g.Sidecars.Validate(&l, "sidecars", &g.Workload, scope)
	g.Elections.Validate(&l, &g.Workload, g.Sidecars.Containers(), scope)
	return l
}

// Topology of the group as an instance of a pattern.
func (g *Group) Topology(pattern string, p patterns.Settings) *topology.Topology {
	parts := g.Sidecars.Parts(pattern, "sidecars", g.Instance, &g.Workload, p)
	t := g.Workload.Topology(pattern, g.Instance, parts.Containers, parts.Volumes, parts.Configs)
	g.Elections.AddTo(t, &t.Groups[0], &g.Workload, "", p)
	p.Apply(t)
	return t
}

// Changes says what of a change from a former group cannot be made in place.
func (g *Group) Changes(was *Group) (replaced, refused fault.List) {
	replaced, refused = g.Workload.Changes(&was.Workload)
	replaced = append(g.Instance.Changes(&was.Instance), replaced...)
	return append(replaced, g.Elections.Changes(&was.Elections, &g.Workload, &was.Workload)...), refused
}
