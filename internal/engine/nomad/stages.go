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
//
// A companion with a hook before its stop wants to be told before main is: it is the leader, and its stop signal is what
// tells it. Where both an init container and other companions are, it is not, since those would stop before main.
type stages struct {
	shifted bool
	first   string // the container that stops before all others
}

func stagesOf(g *topology.Group) stages {
	companions := count(g, topology.Companion)
	s := stages{shifted: count(g, topology.Init) > 0 && companions > 0}
	for _, c := range g.Containers {
		switch {
		case c.Role == topology.Companion && c.Hooks.PreStop != nil && (!s.shifted || companions == 1):
			s.first = c.Name
		case c.Role == topology.Main && s.shifted && s.first == "":
			s.first = c.Name
		}
	}
	return s
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
	task.Leader = task.Name == s.first
	switch {
	case r == topology.Init:
		task.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPrestart}
	case r == topology.Companion && !s.shifted:
		task.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPrestart, Sidecar: true}
	case r == topology.Main && s.shifted:
		task.Lifecycle = &api.TaskLifecycle{Hook: api.TaskLifecycleHookPoststart, Sidecar: identity != topology.ToCompletion}
	}
}
