package nomad

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Observe reads the variable, dry-runs the job and lists the allocations: three requests.
func (e *Engine) Observe(ctx context.Context, t *topology.Topology) (*engine.Observation, error) {
	k := e.resolve(t.Key())
	s, err := e.readVariable(ctx, k)
	if err != nil {
		return nil, err
	}
	if s.record != nil && s.record.Pattern != t.Pattern {
		return nil, engine.ErrNotFound
	}
	mhz, err := e.mhzPerCore(ctx, t, s.record)
	if err != nil {
		return nil, err
	}
	p, err := Translate(t, Options{Namespace: k.Namespace, Region: e.cfg.withEnvironment().Region, MHzPerCore: mhz})
	if err != nil {
		return nil, err
	}
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	plan, _, err := c.Jobs().PlanOpts(p.Job, &api.PlanOptions{Diff: true}, e.write(ctx, k.Namespace))
	if err != nil {
		return nil, e.fault("plan "+object(k), err)
	}
	missing := plan.JobModifyIndex == 0
	if missing && s.record == nil {
		return nil, engine.ErrNotFound
	}
	q := e.query(ctx, k.Namespace)
	q.Params = map[string]string{"resources": "true"}
	q.Filter = fmt.Sprintf("JobID == %q and DesiredStatus == %q", k.Name, api.AllocDesiredStatusRun)
	allocs, _, err := c.Allocations().List(q)
	if err != nil {
		return nil, e.fault("list the allocations of "+object(k), err)
	}

	o := &engine.Observation{Groups: map[string]engine.GroupStatus{}, Endpoints: endpoints(t, allocs)}
	if s.record != nil {
		o.Revision = s.record.Revision
	}
	o.Drift = drift(t, p, k, plan.Diff, missing, s)
	for i := range t.Groups {
		g := &t.Groups[i]
		o.Groups[g.Name] = groupStatus(g, allocs, liveCount(plan.Diff, g.Name, replicas(g)), g.Identity == topology.ToCompletion, unchanged(plan.Diff, g.Name))
	}
	o.Objects = objects(p, k)
	if missing && finished(p, t, s) {
		forgotten(t, o)
		return o, nil
	}
	o.Phase, o.Message = phase(t, o, allocs, missing)
	return o, nil
}

// finished tells whether the instance was a batch job that had come to its end. Nomad forgets such jobs after some hours,
// and that is no reason to run them again.
func finished(p *Plan, t *topology.Topology, s stored) bool {
	return *p.Job.Type == api.JobTypeBatch && s.record != nil && s.record.Complete && s.record.Revision == t.Revision()
}

func forgotten(t *topology.Topology, o *engine.Observation) {
	o.Drift = slices.DeleteFunc(o.Drift, func(d engine.Drift) bool { return strings.HasPrefix(d.Object, "job ") })
	o.Objects = slices.DeleteFunc(o.Objects, func(s string) bool { return strings.HasPrefix(s, "job ") })
	for i := range t.Groups {
		n := replicas(&t.Groups[i])
		o.Groups[t.Groups[i].Name] = engine.GroupStatus{Desired: n, Ready: n, Updated: n}
	}
	o.Phase, o.Message = "ready", "it ran to its end, and Nomad has forgotten the job since"
}

// groupStatus counts the replicas of a group. Updated are those whose tasks the dry run would leave alone.
func groupStatus(g *topology.Group, allocs []*api.AllocationListStub, desired int, batch, unchanged bool) engine.GroupStatus {
	out := engine.GroupStatus{Desired: desired}
	var newest uint64
	for _, a := range allocs {
		if a.TaskGroup == g.Name {
			newest = max(newest, a.JobVersion)
		}
	}
	w := waiter{batch: batch}
	for _, a := range allocs {
		if a.TaskGroup != g.Name {
			continue
		}
		if w.ready(a) {
			out.Ready++
		}
		if unchanged && a.JobVersion == newest {
			out.Updated++
		}
	}
	out.Ready, out.Updated = min(out.Ready, desired), min(out.Updated, desired)
	return out
}

// endpoints are the addresses of ready replicas, by service port.
func endpoints(t *topology.Topology, allocs []*api.AllocationListStub) map[string][]string {
	out := map[string][]string{}
	w := waiter{}
	for i := range t.Groups {
		g := &t.Groups[i]
		ports := portsOf(g)
		for _, s := range g.Services {
			for _, sp := range s.Ports {
				key := engine.EndpointKey(t, s, sp.Name)
				if key == "" {
					continue
				}
				out[key] = []string{}
				for _, a := range allocs {
					if a.TaskGroup == g.Name && a.AllocatedResources != nil && w.ready(a) {
						if at := address(ports, a.AllocatedResources.Shared.Ports, sp); at != "" {
							out[key] = append(out[key], at)
						}
					}
				}
				slices.Sort(out[key])
			}
		}
	}
	return out
}

func address(ports groupPorts, mapped []api.PortMapping, sp topology.ServicePort) string {
	for _, p := range ports.list {
		if p.target.Name != sp.Target || p.static != sp.NodePort {
			continue
		}
		for _, m := range mapped {
			if m.Label == p.label {
				return net.JoinHostPort(m.HostIP, strconv.Itoa(m.Value))
			}
		}
	}
	return ""
}

// objects that the instance has made.
func objects(p *Plan, k topology.Key) []string {
	counts := groupCounts(p.Job)
	out := []string{"job " + k.Namespace + "/" + k.Name, "variable " + k.Namespace + "/" + p.Path}
	for _, a := range p.Policies {
		out = append(out, "acl policy "+a.Name)
	}
	for _, v := range p.Volumes {
		for _, name := range v.names(max(1, counts[v.Group])) {
			out = append(out, "host volume "+k.Namespace+"/"+name)
		}
	}
	slices.Sort(out)
	return out
}

// phase sums up.
func phase(t *topology.Topology, o *engine.Observation, allocs []*api.AllocationListStub, missing bool) (string, string) {
	if missing {
		return "degraded", "the job is not in the cluster"
	}
	var late []string
	for _, g := range t.Groups {
		if s := o.Groups[g.Name]; s.Ready < s.Desired {
			late = append(late, fmt.Sprintf("group %s: %d of %d ready", g.Name, s.Ready, s.Desired))
		}
	}
	// A replica that cannot come up is told of even where those of a former version still do the work.
	for _, a := range allocs {
		w := waiter{restarts: map[string]uint64{}, batch: a.JobType == api.JobTypeBatch}
		if w.ready(a) {
			continue
		}
		if f := w.broken(a); f != nil {
			why := fmt.Sprintf("group %s: %s in container %s: %s", a.TaskGroup, f.reason, f.container, f.message)
			return "degraded", strings.Join(append(late, why), ", ")
		}
	}
	if len(late) > 0 {
		return "progressing", strings.Join(late, ", ")
	}
	return "ready", ""
}
