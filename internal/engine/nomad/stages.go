package nomad

import (
	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// stages map the roles of a group to Nomad's life cycle.
//
// Nomad starts all prestart tasks at once, then the main ones, then the poststart ones; it stops the leader, then the
// others, then the sidecars. So companions are prestart sidecars, which start before main and stop after it. With an
// init container, which is a prestart task and must end before the companions start, everything moves one stage on:
// companions are main tasks, and main is a poststart sidecar and the leader, which stops first.
type stages struct {
	shifted bool
}

func stagesOf(g *topology.Group) stages {
	return stages{shifted: count(g, topology.Init) > 0 && count(g, topology.Companion) > 0}
}

func count(g *topology.Group, r topology.Role) (n int) {
	for _, c := range g.Containers {
		if c.Role == r {
			n++
		}
	}
	return n
}

func (s stages) apply(task *api.Task, r topology.Role, identity topology.Identity) {
	switch {
	case r == topology.Init:
		task.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPrestart}
	case r == topology.Companion && !s.shifted:
		task.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPrestart, Sidecar: true}
	case r == topology.Main && s.shifted:
		task.Leader = true
		task.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPoststart, Sidecar: identity != topology.ToCompletion}
	}
}
