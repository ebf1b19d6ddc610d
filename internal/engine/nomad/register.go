package nomad

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// scaling is how long Nomad may take from reading a job to writing it back with another count.
const scaling = 500 * time.Millisecond

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
		// Once now, and once when a scaling that had read the job before is over: a deployment keeps others from beginning.
		for _, pause := range []time.Duration{0, scaling} {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			if err := e.overwritten(ctx, k, t, job, was, made.JobModifyIndex); err != nil {
				return err
			}
		}
		return nil
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

// A lostScale is what an autoscaler had chosen when a registration undid it.
type lostScale struct {
	index  uint64 // of that registration
	counts map[string]int
}

func (l *lostScale) Error() string { return "register: an autoscaler's choice was lost" }
func (l *lostScale) Unwrap() error { return errChanged }

// restore it in what was read, unless the job has changed once more since.
func (l *lostScale) restore(job *api.Job) {
	if l == nil || job == nil || *job.JobModifyIndex != l.index {
		return
	}
	for _, g := range job.TaskGroups {
		if n, there := l.counts[*g.Name]; there {
			g.Count = &n
		}
	}
}

// overwritten finds out whether an autoscaler has undone a registration, or the other way round. Nomad's scaling reads the job,
// changes the count and writes the whole job back; its registration looks at the index and then writes. What is written between
// the two steps of either is lost.
func (e *Engine) overwritten(ctx context.Context, k topology.Key, t *topology.Topology, job, was *api.Job, index uint64) error {
	now, err := e.job(ctx, k)
	switch {
	case err != nil || now == nil:
		return err
	case *now.JobModifyIndex == index && *now.Version <= *was.Version+1:
		return nil
	case *now.JobModifyIndex == index:
		return e.lost(ctx, k, t, now)
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

// lost is what the version before this one says of how many replicas there should be, if that is something else.
func (e *Engine) lost(ctx context.Context, k topology.Key, t *topology.Topology, now *api.Job) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	versions, _, _, err := c.Jobs().Versions(k.Name, false, e.query(ctx, k.Namespace))
	if err != nil {
		return e.fault("read the versions of "+object(k), err)
	}
	is := groupCounts(now)
	for _, v := range versions { // the newest first
		if *v.Version >= *now.Version {
			continue
		}
		found := &lostScale{index: *now.JobModifyIndex, counts: map[string]int{}}
		was := groupCounts(v)
		for _, g := range t.Groups {
			if n, there := was[g.Name]; there && scaled(g) && n != is[g.Name] {
				found.counts[g.Name] = n
			}
		}
		if len(found.counts) > 0 {
			return found
		}
		break
	}
	return nil
}
