package nomad

import (
	"maps"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// What a group's disk holds besides its volumes, in MB: Nomad wants room for the logs of each task, and reserves it.
const (
	logFiles    = 2
	logFileMB   = 10
	groupDiskMB = 50
)

func (b *builder) group(g *topology.Group) *api.TaskGroup {
	extras, _ := extrasOf(g)
	ports := portsOf(g)
	volumes := slotsOf(g)
	tg := &api.TaskGroup{
		Name:        new(g.Name),
		Count:       new(replicas(g)),
		Constraints: append(extras.constraints(), required(g)...),
		Affinities:  extras.affinities(),
		Spreads:     preferred(g),
		Networks:    []*api.NetworkResource{ports.network()},
		Volumes:     b.persistent(g, extras),
		EphemeralDisk: &api.EphemeralDisk{
			SizeMB: new(diskMB(g)), Sticky: new(false), Migrate: new(false),
		},
		Update: update(g, ports),
	}
	if len(extras.Meta) > 0 {
		tg.Meta = maps.Clone(extras.Meta)
	}
	tg.RestartPolicy = restart(g)
	tg.ReschedulePolicy = reschedule(g)
	stages := stagesOf(g)
	for i := range g.Containers {
		tg.Tasks = append(tg.Tasks, b.task(g, &g.Containers[i], stages, ports, volumes))
	}
	mark(tg, g.Identity)
	b.grants(g)
	return tg
}

// restart keeps every container of a service going for ever, each for itself: a companion that fails does not end its
// group. Ten attempts within a minute, a second apart, then a rest until the minute is over.
func restart(g *topology.Group) *api.RestartPolicy {
	if g.Identity == topology.ToCompletion {
		retries := 0
		if g.Completion != nil {
			retries = g.Completion.Retries
		}
		return &api.RestartPolicy{Attempts: new(retries), Delay: new(time.Second), Interval: new(24 * time.Hour), Mode: new("fail"), RenderTemplates: new(false)}
	}
	return &api.RestartPolicy{Attempts: new(10), Delay: new(time.Second), Interval: new(time.Minute), Mode: new("delay"), RenderTemplates: new(false)}
}

// reschedule moves a replica that cannot start to another node, and leaves retries of batch jobs to restart.
func reschedule(g *topology.Group) *api.ReschedulePolicy {
	if g.Identity == topology.ToCompletion {
		return &api.ReschedulePolicy{
			Attempts: new(0), Unlimited: new(false), Interval: new(time.Duration(0)), Delay: new(5 * time.Second), DelayFunction: new("constant"), MaxDelay: new(time.Duration(0)),
		}
	}
	return &api.ReschedulePolicy{
		Attempts: new(0), Unlimited: new(true), Interval: new(time.Duration(0)), Delay: new(5 * time.Second), DelayFunction: new("exponential"), MaxDelay: new(5 * time.Minute),
	}
}

// diskMB is what the group's ephemeral volumes and containers ask for. Nomad reserves it and does not enforce it.
func diskMB(g *topology.Group) int {
	var bytes int64
	for _, v := range g.Volumes {
		if v.Ephemeral != nil {
			bytes += v.Ephemeral.SizeBytes
		}
	}
	for _, c := range g.Containers {
		bytes += c.Resources.Requests.StorageBytes
	}
	return groupDiskMB + logFiles*logFileMB*len(g.Containers) + megabytes(bytes)
}

// required spreads make a placement impossible.
func required(g *topology.Group) (out []*api.Constraint) {
	for _, s := range g.Spread {
		switch {
		case !s.Required:
		case s.Over == "node":
			out = append(out, &api.Constraint{Operand: "distinct_hosts", RTarget: "true"})
		default:
			out = append(out, &api.Constraint{Operand: "distinct_property", LTarget: spreadAttribute(s.Over)})
		}
	}
	return out
}

func preferred(g *topology.Group) (out []*api.Spread) {
	for _, s := range g.Spread {
		if !s.Required {
			out = append(out, &api.Spread{Attribute: spreadAttribute(s.Over), Weight: new(int8(100))})
		}
	}
	return out
}

// spreadAttribute of a node. A zone is Nomad's datacenter.
func spreadAttribute(over string) string {
	switch over {
	case "node":
		return "${node.unique.id}"
	case "zone":
		return "${node.datacenter}"
	}
	return over
}
