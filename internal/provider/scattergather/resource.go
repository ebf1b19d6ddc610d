// Package scattergather is the resource pattern_scatter_gather.
package scattergather

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/scattergather"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
)

// Kind of the resource.
func Kind() instance.Kind {
	return instance.Kind{
		Name: scattergather.Name,
		Description: "A scatter/gather around two containers of yours: a leaf, which answers a request for one shard of the whole, and a merge, which makes one answer of many (or one of the built-in merges). " +
			"The root sends each request to one replica of every shard, through a tree of parents where there are many, and answers within the deadline: replicas that fail are left out, slow ones are hedged against, and every answer says how much of the whole it covers.",
		Attributes:  attributes.ScatterGather(),
		Computed:    attributes.ScatterGatherStatus(),
		Compute:     compute,
		Planned:     planned,
		PlannedFrom: []string{"leaf.shards", "targets", "fan_out"},
		Inner:       []string{scattergather.ChildPort},
		New:         func() patterns.Spec { return &scattergather.Spec{} },
	}
}

// compute where the root is.
func compute(o *engine.Observation, _ *patterns.Progress) map[string]any {
	return map[string]any{"url": instance.URL(o)}
}

type tree struct {
	Depth  int   `tfsdk:"depth"`
	Levels []int `tfsdk:"levels"`
}

func planned(s patterns.Spec) map[string]any {
	depth, levels := s.(*scattergather.Spec).Tree()
	return map[string]any{"tree": tree{depth, levels}}
}
