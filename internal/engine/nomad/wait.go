package nomad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

const (
	// blockingTime is how long a blocking query may hang. One that is given up keeps its connection at the server for as
	// long, and Nomad allows an address 100 of them by default: with long ones, an apply of many instances runs out.
	blockingTime = 2 * time.Second
	// lastLook is for the reads that explain a failure when the time is already over.
	lastLook = 5 * time.Second
	// unplaceable for so long is unschedulable: a node that has just joined, or an allocation that has just ended, would
	// have made room by now.
	unplaceable = 12 * time.Second
	// lookAgain makes conditions that have no event of their own, such as the age of a blocked evaluation, seen.
	lookAgain = time.Second
)

// Wait follows the job's allocations, deployment and evaluations until the newest version is there or cannot come. Groups
// that the topology has no more go then, and the version without them is waited for as well.
func (e *Engine) Wait(ctx context.Context, t *topology.Topology, progress func(string)) error {
	k := e.resolve(t.Key())
	if progress == nil {
		progress = func(string) {}
	}
	for {
		job, err := e.job(ctx, k)
		if err != nil {
			return err
		}
		if job == nil {
			return engine.ErrNotFound
		}
		w := &waiter{engine: e, key: k, t: t, job: job, batch: *job.Type == api.JobTypeBatch, counts: groupCounts(job), begun: time.Now(), restarts: map[string]uint64{}}
		if err := w.run(ctx, progress); err != nil {
			return err
		}
		if released, err := e.release(ctx, t); err != nil {
			return err
		} else if !released {
			return e.complete(ctx, t, k)
		}
	}
}

// waiter judges what the watches report.
type waiter struct {
	engine *Engine
	key    topology.Key
	t      *topology.Topology // nil where all groups of the job are meant
	job    *api.Job
	batch  bool
	counts map[string]int
	begun  time.Time

	allocs     []*api.AllocationListStub
	deployment *api.Deployment
	evals      []*api.Evaluation
	seen       struct{ allocs, deployment, evals bool }
	blocked    map[string]time.Time // groups that could not be placed, since when
	restarts   map[string]uint64    // of tasks that were healthy when we came, by allocation and task
	freed      int                  // times that a stuck deployment was replaced
}

func (w *waiter) run(ctx context.Context, progress func(string)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w.engine.waits.Add(1)
	defer w.engine.waits.Add(-1)
	changes := make(chan func(), watches)
	failed := make(chan error, watches)
	w.watch(ctx, changes, failed)
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return w.timeout(context.Cause(ctx))
		case err := <-failed:
			if ctx.Err() != nil {
				return w.timeout(context.Cause(ctx))
			}
			return err
		case change := <-changes:
			change()
		case <-tick.C:
		}
		if !w.seen.allocs || !w.seen.deployment || !w.seen.evals {
			continue
		}
		if w.deployment != nil && w.deployment.JobVersion > *w.job.Version {
			// Somebody has changed the job meanwhile: an autoscaler, or another apply, which is then waited for.
			w.reread(ctx)
		}
		done, line, err := w.judge()
		if err != nil {
			return w.explain(err)
		}
		if line != last {
			progress(line)
			last = line
		}
		if w.freed < freeings && stuck(w.job, w.deployment, w.allocs, w.evals) {
			var freed bool
			err := steady(ctx, func() (err error) {
				freed, err = w.engine.free(ctx, w.t)
				return err
			})
			if err != nil && !errors.Is(err, errChanged) && ctx.Err() == nil {
				return err
			}
			if freed {
				w.freed++
				w.reread(ctx)
				progress("the deployment waited for a canary that it needs no more, so the job was registered again")
			}
			continue
		}
		if !done || !w.followed() && !w.confirmed(ctx) {
			continue
		}
		return nil
	}
}

// reread the job, which is another version now.
func (w *waiter) reread(ctx context.Context) {
	if job, err := w.engine.job(ctx, w.key); err == nil && job != nil {
		w.job, w.counts = job, groupCounts(job)
	}
}

// confirmed looks once more. The three watches do not report at once, so where no deployment tells that these are the
// newest version's replicas, the scheduler's work may be seen by one of them and not yet by the others.
func (w *waiter) confirmed(ctx context.Context) bool {
	c, err := w.engine.connect()
	if err != nil {
		return false
	}
	allocs, _, err := c.Jobs().Allocations(w.key.Name, false, w.engine.query(ctx, w.key.Namespace))
	if err != nil {
		return false
	}
	deployment, _, err := c.Jobs().LatestDeployment(w.key.Name, w.engine.query(ctx, w.key.Namespace))
	if err != nil {
		return false
	}
	w.allocs, w.deployment = allocs, deployment
	done, _, failed := w.judge()
	return done && failed == nil
}

// replaces tells whether the newest version has replicas of its own in a group.
func (w *waiter) replaces(group string) bool {
	return w.followed() && w.deployment.TaskGroups[group] != nil
}

// followed tells whether there is a deployment of the newest version.
func (w *waiter) followed() bool {
	d := w.deployment
	return !w.batch && d != nil && d.JobVersion == *w.job.Version && d.JobCreateIndex == *w.job.CreateIndex
}

// judge tells whether the job is there, how far it has come, and why it cannot come.
func (w *waiter) judge() (done bool, line string, err *failure) {
	current := w.current()
	if f := w.placement(current); f != nil {
		return false, "", f
	}
	for _, a := range current {
		if f := w.broken(a); f != nil {
			return false, "", f
		}
	}
	ready, wanted := 0, 0
	var parts []string
	for _, g := range w.job.TaskGroups {
		if !w.concerns(*g.Name) {
			continue
		}
		n := 0
		for _, a := range current {
			if a.TaskGroup == *g.Name && w.ready(a) && (!w.replaces(*g.Name) || a.JobVersion == *w.job.Version) {
				n++
			}
		}
		want := w.counts[*g.Name]
		ready, wanted = ready+min(n, want), wanted+want
		parts = append(parts, fmt.Sprintf("group %s: %d of %d ready", *g.Name, n, want))
	}
	line = strings.Join(parts, ", ")
	if !w.evaluated() {
		return false, "waiting for the scheduler", nil
	}
	if w.followed() {
		switch d := w.deployment; d.Status {
		case api.DeploymentStatusSuccessful:
		case api.DeploymentStatusFailed:
			return false, "", w.deploymentFailed(current)
		case api.DeploymentStatusCancelled:
			return false, "", &failure{reason: "Superseded", message: "the deployment was cancelled: " + d.StatusDescription}
		default:
			return false, line + " (" + strings.TrimSuffix(d.StatusDescription, ".") + ")", nil
		}
	}
	return ready >= wanted, line, nil
}

// concerns tells whether a group is waited for: one that goes is not.
func (w *waiter) concerns(group string) bool { return w.t == nil || inTopology(w.t, group) }

// current are the allocations of the newest version. Those that an update left as they were keep the older number; then
// there are no newer ones of their group.
func (w *waiter) current() (out []*api.AllocationListStub) {
	newer := map[string]bool{}
	for _, a := range w.allocs {
		if a.JobVersion == *w.job.Version {
			newer[a.TaskGroup] = true
		}
	}
	for _, a := range w.allocs {
		if w.concerns(a.TaskGroup) && a.DesiredStatus == api.AllocDesiredStatusRun && a.NextAllocation == "" && (a.JobVersion == *w.job.Version || !newer[a.TaskGroup] && w.evaluated()) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *api.AllocationListStub) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// evaluated tells whether the scheduler has seen the newest version.
func (w *waiter) evaluated() bool {
	seen := len(w.evals) == 0 // they are collected after an hour
	for _, ev := range w.evals {
		if ev.JobModifyIndex < *w.job.JobModifyIndex {
			continue
		}
		if ev.Status == api.EvalStatusPending && (ev.TriggeredBy == "job-register" || ev.TriggeredBy == "job-scaling") {
			return false
		}
		seen = true
	}
	return seen || w.onlyOlder()
}

// onlyOlder tells that the evaluation of the newest version was collected already, or never made since nothing changed.
func (w *waiter) onlyOlder() bool {
	return time.Since(w.begun) > 5*time.Second
}

// ready tells whether a replica does what it is there for.
func (w *waiter) ready(a *api.AllocationListStub) bool {
	if w.batch {
		return a.ClientStatus == api.AllocClientStatusComplete
	}
	if a.ClientStatus != api.AllocClientStatusRunning {
		return false
	}
	if s := a.DeploymentStatus; s != nil && s.Healthy != nil && !*s.Healthy {
		return false
	} else if (s == nil || s.Healthy == nil) && w.undecided() {
		return false
	}
	for _, s := range a.TaskStates {
		if s.State == "pending" || s.State == "dead" && s.Failed {
			return false
		}
	}
	return true
}

// undecided tells whether a deployment still waits for the health of its replicas. Those that came after it have none.
func (w *waiter) undecided() bool {
	return w.job != nil && w.followed() && w.deployment.Status == api.DeploymentStatusRunning
}

// timeout says what was missing at the end of the time.
func (w *waiter) timeout(cause error) error {
	f := &failure{reason: "Timeout", message: "the time is over"}
	if errors.Is(cause, context.Canceled) {
		f = &failure{reason: "Interrupted", message: "the wait was interrupted"}
	}
	current := w.current()
	for _, a := range current {
		if !w.ready(a) {
			worst := w.worst(a)
			f.alloc, f.container = a, worst
			break
		}
	}
	if f.alloc == nil {
		for group, metric := range w.unplaced() {
			f.group, f.message = group, "the time is over; "+whyNot(metric)
		}
	}
	return w.explain(f)
}
