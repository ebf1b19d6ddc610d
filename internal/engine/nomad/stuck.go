package nomad

import (
	"context"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// freeings at most in one wait: each makes another deployment, which may be stuck again.
const freeings = 3

// stuck tells whether a deployment waits for a canary that nobody needs any more.
//
// Where a node has no room at the moment that a version comes, the scheduler takes an update that could be made in place for
// one that needs a canary, and notes that one is wanted. When there is room again it makes the update in place after all. The
// replicas are as they should be then, but the deployment only ends by the promotion of canaries, and none will ever be placed.
func stuck(job *api.Job, d *api.Deployment, allocs []*api.AllocationListStub, evals []*api.Evaluation) bool {
	if !mayBeStuck(job, d) || slices.ContainsFunc(evals, unfinished) {
		return false
	}
	for name, g := range d.TaskGroups {
		if lacksCanary(g) && g.HealthyAllocs >= g.DesiredTotal && !slices.ContainsFunc(allocs, func(a *api.AllocationListStub) bool {
			lives := a.DesiredStatus == api.AllocDesiredStatusRun && a.NextAllocation == ""
			return a.TaskGroup == name && lives && (a.JobVersion != *job.Version || !healthy(a))
		}) {
			return true
		}
	}
	return false
}

// mayBeStuck tells so by the deployment alone.
func mayBeStuck(job *api.Job, d *api.Deployment) bool {
	if d == nil || d.Status != api.DeploymentStatusRunning || d.JobVersion != *job.Version || d.JobCreateIndex != *job.CreateIndex {
		return false
	}
	for _, g := range d.TaskGroups {
		if lacksCanary(g) {
			return true
		}
	}
	return false
}

func lacksCanary(g *api.DeploymentState) bool {
	return g.DesiredCanaries > 0 && !g.Promoted && len(g.PlacedCanaries) == 0
}

func healthy(a *api.AllocationListStub) bool {
	return a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil && *a.DeploymentStatus.Healthy
}

// unfinished tells whether the scheduler will yet look at a job.
func unfinished(e *api.Evaluation) bool {
	return e.Status == api.EvalStatusPending || e.Status == api.EvalStatusBlocked
}

// stuckNow is what stuck says of what Nomad knows at the moment.
func (e *Engine) stuckNow(ctx context.Context, k topology.Key, job *api.Job, d *api.Deployment) (bool, error) {
	if !mayBeStuck(job, d) {
		return false, nil
	}
	c, err := e.connect()
	if err != nil {
		return false, err
	}
	evals, _, err := c.Jobs().Evaluations(k.Name, e.query(ctx, k.Namespace))
	if err != nil {
		return false, e.fault("list the evaluations of "+object(k), err)
	}
	allocs, _, err := c.Jobs().Allocations(k.Name, false, e.query(ctx, k.Namespace))
	if err != nil {
		return false, e.fault("list the allocations of "+object(k), err)
	}
	return stuck(job, d, allocs, evals), nil
}

// anotherVersion of the same, whose deployment takes the place of a stuck one. It restarts nothing: see tryAgain.
func anotherVersion(d *api.Deployment) *api.JobUIConfig {
	return &api.JobUIConfig{Description: "Registered again after the deployment " + d.ID + ", which waited for a canary that it needed no more."}
}

// free a job from a stuck deployment. It returns false if there is nothing to free, or another apply is at work.
func (e *Engine) free(ctx context.Context, t *topology.Topology) (bool, error) {
	k := e.resolve(t.Key())
	was, err := e.job(ctx, k)
	if err != nil || was == nil || was.Stop != nil && *was.Stop {
		return false, err
	}
	c, err := e.connect()
	if err != nil {
		return false, err
	}
	d, _, err := c.Jobs().LatestDeployment(k.Name, e.query(ctx, k.Namespace))
	if err != nil {
		return false, e.fault("read the deployment of "+object(k), err)
	}
	if is, err := e.stuckNow(ctx, k, was, d); err != nil || !is {
		return false, err
	}
	s, err := e.readVariable(ctx, k)
	if err != nil || s.record == nil || s.record.Revision != t.Revision() {
		return false, err
	}
	job := *was
	job.UI = anotherVersion(d)
	err = e.register(ctx, k, t, &job, was)
	return err == nil, err
}
