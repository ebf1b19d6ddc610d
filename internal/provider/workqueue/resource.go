// Package workqueue is the resource pattern_work_queue.
package workqueue

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workqueue"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
)

// Kind of the resource.
func Kind() instance.Kind {
	return instance.Kind{
		Name: workqueue.Name,
		Description: "A complete work queue around containers of yours, each of which only turns an input file into output files: a durable queue server, workers in your unmodified images, as many as there is work, and a page that shows it all. " +
			"Stages form a pipeline: the outputs of one are the inputs of the next. Delivery is at least once; outputs are committed exactly once.",
		Attributes: attributes.WorkQueue(),
		Computed:   attributes.WorkQueueStatus(),
		Compute:    compute,
		New:        func() patterns.Spec { return &workqueue.Spec{} },
	}
}

// compute where the API is, and how many items there are.
func compute(o *engine.Observation, p *patterns.Progress) map[string]any {
	out := map[string]any{"url": "", "page_url": ""}
	if url := instance.URL(o); url != "" {
		out["url"], out["page_url"] = url, url+"/"
	}
	if p != nil {
		out["counts"] = p.Counts
	}
	return out
}
