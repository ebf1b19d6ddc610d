package nomad

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// register the job, unless it has changed since it was read.
func (e *Engine) register(ctx context.Context, k topology.Key, t *topology.Topology, job, was *api.Job) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	index := uint64(0)
	if was != nil {
		index = *was.JobModifyIndex
	}
	made, _, err := c.Jobs().RegisterOpts(job, &api.RegisterOptions{EnforceIndex: true, ModifyIndex: index}, e.write(ctx, k.Namespace))
	if err == nil {
		if was == nil || !slices.ContainsFunc(t.Groups, scaled) {
			return nil
		}
		return e.overwritten(ctx, k, t, job, made.JobModifyIndex)
	}
	text := body(err)
	switch {
	case strings.Contains(text, api.RegisterEnforceIndexErrPrefix):
		return fmt.Errorf("register %s: it %w", object(k), errChanged)
	case strings.Contains(text, "nonexistent namespace"):
	case status(err) == http.StatusInternalServerError && (strings.Contains(text, "error occurred") || strings.Contains(text, "errors occurred")) || status(err) == http.StatusBadRequest:
		return &engine.RejectedError{Object: object(k), Reason: text, Err: err}
	}
	return e.fault("register "+object(k), err)
}

// scaled tells whether an autoscaler decides on the number of a group's replicas.
func scaled(g topology.Group) bool {
	return g.Replicas == nil && g.Identity != topology.ToCompletion
}

// overwritten finds out whether an autoscaler has undone a registration. Nomad's scaling reads the job, changes the count
// and writes the whole job back; what was registered in between is lost, since only its read is checked.
func (e *Engine) overwritten(ctx context.Context, k topology.Key, t *topology.Topology, job *api.Job, index uint64) error {
	now, err := e.job(ctx, k)
	if err != nil || now == nil || *now.JobModifyIndex == index {
		return err
	}
	c, err := e.connect()
	if err != nil {
		return err
	}
	plan, _, err := c.Jobs().PlanOpts(job, &api.PlanOptions{Diff: true}, e.write(ctx, k.Namespace))
	if err != nil {
		return e.fault("plan "+object(k), err)
	}
	d := newDiffer(t, k)
	if d.job(plan.Diff); len(d.out) > 0 {
		return fmt.Errorf("register %s: it %w", object(k), errChanged)
	}
	return nil
}
