package nomad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// withLeaving is a job with the groups of its running version that it has no more. They serve until the others are ready,
// and go by another registration: see Wait.
//
// They take no part in the deployment, so that one that is sick does not make it fail.
func withLeaving(job, was *api.Job) *api.Job {
	out := *job
	out.TaskGroups = slices.Clone(job.TaskGroups)
	for _, g := range leaving(job, was) {
		kept := *g
		if kept.Update != nil {
			u := *kept.Update
			u.MaxParallel, u.Canary, u.AutoPromote, u.AutoRevert = new(0), new(0), new(false), new(false)
			kept.Update = &u
		} else {
			kept.Update = &api.UpdateStrategy{MaxParallel: new(0)}
		}
		out.TaskGroups = append(out.TaskGroups, &kept)
	}
	return &out
}

// leaving are the groups of a running job that the next version has not, and that stand in nobody's way.
func leaving(job, was *api.Job) (out []*api.TaskGroup) {
	if was == nil || was.Stop != nil && *was.Stop || was.Status != nil && *was.Status == "dead" || *job.Type == api.JobTypeBatch || *was.Type != *job.Type {
		return nil
	}
	for _, g := range was.TaskGroups {
		if !hasGroup(job, *g.Name) && !inTheWay(job, g) {
			out = append(out, g)
		}
	}
	return out
}

func hasGroup(job *api.Job, name string) bool {
	return slices.ContainsFunc(job.TaskGroups, func(g *api.TaskGroup) bool { return *g.Name == name })
}

// inTheWay tells whether a group of a job could find no place while another one runs: for a fixed port of the machine, or a
// volume of one writer.
func inTheWay(job *api.Job, old *api.TaskGroup) bool {
	held := needs(old)
	for _, g := range job.TaskGroups {
		for need := range needs(g) {
			if held[need] {
				return true
			}
		}
	}
	return false
}

// needs of a group that one group alone can have on a machine.
func needs(g *api.TaskGroup) map[string]bool {
	out := map[string]bool{}
	for _, n := range g.Networks {
		for _, p := range n.ReservedPorts {
			out[fmt.Sprintf("port %d", p.Value)] = true
		}
	}
	for _, v := range g.Volumes {
		if !v.ReadOnly && !strings.HasPrefix(v.AccessMode, "multi-node") {
			out["volume "+v.Type+" "+v.Source] = true
		}
	}
	return out
}

// release registers the job without the groups that the topology has no more, now that all others are ready. It returns
// false if there is nothing to release.
func (e *Engine) release(ctx context.Context, t *topology.Topology) (bool, error) {
	for attempt := 1; ; attempt++ {
		released, err := e.releaseOnce(ctx, t)
		if !errors.Is(err, errChanged) || attempt == applyAttempts {
			return released, err
		}
	}
}

func (e *Engine) releaseOnce(ctx context.Context, t *topology.Topology) (bool, error) {
	k := e.resolve(t.Key())
	job, err := e.job(ctx, k)
	if err != nil || job == nil || job.Stop != nil && *job.Stop || !slices.ContainsFunc(job.TaskGroups, func(g *api.TaskGroup) bool { return !inTopology(t, *g.Name) }) {
		return false, err
	}
	s, err := e.readVariable(ctx, k)
	if err != nil {
		return false, err
	}
	if s.record == nil || s.record.Revision != t.Revision() {
		return false, nil // another apply is at work: the groups are its to judge
	}
	p, err := Translate(t, Options{Namespace: k.Namespace, Region: e.cfg.withEnvironment().Region, MHzPerCore: s.record.MHzPerCore})
	if err != nil {
		return false, err
	}
	if err := e.drained(ctx, k, t); err != nil {
		return false, err
	}
	keepCounts(t, p.Job, job)
	keepMarks(p.Job, job)
	p.Job.UI = job.UI
	return true, e.register(ctx, k, t, p.Job, job)
}

func inTopology(t *topology.Topology, group string) bool {
	return slices.ContainsFunc(t.Groups, func(g topology.Group) bool { return g.Name == group })
}

// drained waits for the former replicas of the groups that stay: they end when they are ready to, and until then they may
// ask those of the groups that go. One that outlives its grace is not waited for.
func (e *Engine) drained(ctx context.Context, k topology.Key, t *topology.Topology) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	longest := 0
	for _, g := range t.Groups {
		longest = max(longest, g.Termination.DrainSeconds+g.Termination.GraceSeconds)
	}
	over := time.Now().Add(time.Duration(longest)*time.Second + 5*time.Second)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(over) {
		allocs, _, err := c.Jobs().Allocations(k.Name, false, e.query(ctx, k.Namespace))
		if err != nil {
			return e.fault("list the allocations of "+object(k), err)
		}
		if !slices.ContainsFunc(allocs, func(a *api.AllocationListStub) bool {
			return inTopology(t, a.TaskGroup) && a.DesiredStatus != api.AllocDesiredStatusRun && a.ClientStatus == api.AllocClientStatusRunning
		}) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
