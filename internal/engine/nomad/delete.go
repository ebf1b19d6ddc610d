package nomad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Delete stops the job, waits for its allocations to end, and removes the job, volumes, policies and variables, the one with the
// record last: whoever continues after an interruption learns from it what there is to remove.
func (e *Engine) Delete(ctx context.Context, key topology.Key) error {
	k := e.resolve(key)
	c, err := e.connect()
	if err != nil {
		return err
	}
	s, err := e.readVariable(ctx, k)
	if err != nil {
		return err
	}
	job, err := e.job(ctx, k)
	if err != nil {
		return err
	}
	if s.record != nil && s.record.Pattern != k.Pattern || s.record == nil && (job == nil || !isOurs(job, k)) {
		return nil
	}
	taken := job != nil && !isOurs(job, k) // by somebody else, after ours was gone
	if taken {
		job = nil
	}
	// Stopped first, and purged when nothing of it is in flight any more: Nomad 1.11's leader crashes when a job is purged
	// between the making and the applying of a plan (hashicorp/nomad#27739).
	if job != nil && (job.Stop == nil || !*job.Stop) {
		if err := e.deregister(ctx, k, false); err != nil {
			return err
		}
	}
	if !taken { // else what runs under that name is theirs
		if err := e.waitGone(ctx, k); err != nil {
			return err
		}
	}
	if job != nil {
		if err := e.waitIdle(ctx, k); err != nil {
			return err
		}
		if err := e.deregister(ctx, k, true); err != nil {
			return err
		}
	}
	if s.record != nil {
		if err := e.deleteVolumes(ctx, k, s.record.Volumes); err != nil {
			return err
		}
		for _, p := range s.record.Policies {
			if _, err := c.ACLPolicies().Delete(p, e.write(ctx, k.Namespace)); err != nil && status(err) != http.StatusNotFound && !strings.Contains(body(err), "disabled") {
				return e.fault("delete the policy "+p, err)
			}
		}
		if len(s.record.Policies) > 0 {
			if err := e.deleteElections(ctx, k); err != nil {
				return err
			}
		}
	}
	return e.deleteVariable(ctx, k, s)
}

func (e *Engine) deregister(ctx context.Context, k topology.Key, purge bool) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	if _, _, err := c.Jobs().Deregister(k.Name, purge, e.write(ctx, k.Namespace)); err != nil && status(err) != http.StatusNotFound {
		return e.fault("stop "+object(k), err)
	}
	return nil
}

// waitIdle waits until the scheduler has done all that it was to do with the job.
func (e *Engine) waitIdle(ctx context.Context, k topology.Key) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	for index := uint64(0); ; {
		q := e.query(ctx, k.Namespace)
		q.WaitIndex, q.WaitTime = index, blockingTime
		var evals []*api.Evaluation
		var meta *api.QueryMeta
		err := steady(ctx, func() (err error) {
			evals, meta, err = c.Jobs().Evaluations(k.Name, q)
			return err
		})
		if ctx.Err() != nil {
			return e.remains(k)
		}
		if err != nil {
			return e.fault("list the evaluations of "+object(k), err)
		}
		if !slices.ContainsFunc(evals, func(ev *api.Evaluation) bool { return ev.Status == api.EvalStatusPending && ev.WaitUntil.IsZero() }) {
			return nil
		}
		index = max(meta.LastIndex, 1)
	}
}

// waitGone waits until no allocation of the job runs.
func (e *Engine) waitGone(ctx context.Context, k topology.Key) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	for index := uint64(0); ; {
		q := e.query(ctx, k.Namespace)
		q.WaitIndex, q.WaitTime = index, blockingTime
		var allocs []*api.AllocationListStub
		var meta *api.QueryMeta
		err := steady(ctx, func() (err error) {
			allocs, meta, err = c.Jobs().Allocations(k.Name, true, q)
			return err
		})
		if ctx.Err() != nil {
			return e.remains(k)
		}
		if err != nil {
			return e.fault("list the allocations of "+object(k), err)
		}
		if len(alive(allocs)) == 0 {
			return nil
		}
		index = max(meta.LastIndex, 1)
	}
}

// alive are the allocations whose containers may still run.
func alive(allocs []*api.AllocationListStub) (out []*api.AllocationListStub) {
	for _, a := range allocs {
		if a.ClientStatus == api.AllocClientStatusRunning || a.ClientStatus == api.AllocClientStatusUnknown ||
			a.ClientStatus == api.AllocClientStatusPending && a.DesiredStatus == api.AllocDesiredStatusRun {
			out = append(out, a)
		}
	}
	return out
}

// remains says what still runs, asked after the time is over.
func (e *Engine) remains(k topology.Key) error {
	r := &engine.RemainsError{Key: k}
	ctx, cancel := context.WithTimeout(context.Background(), lastLook)
	defer cancel()
	if c, err := e.connect(); err == nil {
		if allocs, _, err := c.Jobs().Allocations(k.Name, true, e.query(ctx, k.Namespace)); err == nil {
			for _, a := range alive(allocs) {
				r.Objects = append(r.Objects, fmt.Sprintf("allocation %s of %s on %s (%s)", a.ID[:8], object(k), a.NodeName, a.ClientStatus))
			}
		}
	}
	if len(r.Objects) == 0 {
		r.Objects = []string{object(k)}
	}
	slices.Sort(r.Objects)
	return r
}

// deleteElections removes the locks that the instance's electors made.
func (e *Engine) deleteElections(ctx context.Context, k topology.Key) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	list, _, err := c.Variables().PrefixList(ElectionPath(k.Name, ""), e.query(ctx, k.Namespace))
	if err != nil {
		return e.fault("list the elections of "+object(k), err)
	}
	for _, v := range list {
		if _, err := c.Variables().Delete(v.Path, e.write(ctx, k.Namespace)); err != nil && status(err) != http.StatusNotFound {
			return e.fault("delete the variable "+v.Path, err)
		}
	}
	return nil
}

// deleteVariable removes the instance's items, and the variable with them unless others have put theirs beside.
func (e *Engine) deleteVariable(ctx context.Context, k topology.Key, s stored) error {
	if s.index == 0 {
		return nil
	}
	c, err := e.connect()
	if err != nil {
		return err
	}
	rest := maps.Clone(s.items)
	maps.DeleteFunc(rest, func(item, _ string) bool { return ours(item) })
	if len(rest) > 0 {
		_, _, err = c.Variables().CheckedUpdate(&api.Variable{Namespace: k.Namespace, Path: variablePath(k.Name), ModifyIndex: s.index, Items: rest}, e.write(ctx, k.Namespace))
	} else {
		_, err = c.Variables().CheckedDelete(variablePath(k.Name), s.index, e.write(ctx, k.Namespace))
	}
	var conflict api.ErrCASConflict
	if errors.As(err, &conflict) {
		// Somebody wrote it while we waited: look again, unless it is gone.
		now, err := e.readVariable(ctx, k)
		if err != nil || now.index == 0 {
			return err
		}
		return e.deleteVariable(ctx, k, now)
	}
	if err != nil && status(err) != http.StatusNotFound {
		return e.fault("delete the variable "+variablePath(k.Name), err)
	}
	return nil
}
