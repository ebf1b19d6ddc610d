package nomad

import (
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

const (
	// defaultProgress is Kubernetes' own deadline.
	defaultProgress = 10 * time.Minute
	// A replica that stays up for so long has not merely begun to start.
	defaultMinHealthy = time.Second
)

// update replaces replicas one after another. Interchangeable ones get a new one first, beside the old ones, which serve
// until it is healthy; where a second one has no room (a fixed port of the machine, a volume of one writer) or no index
// (NOMAD_ALLOC_INDEX is not unique among canaries), the old one ends first.
//
// The provider rolls back by applying the former topology, so Nomad does not revert by itself.
func update(g *topology.Group, ports groupPorts) *api.UpdateStrategy {
	if g.Identity == topology.ToCompletion {
		return nil
	}
	progress := defaultProgress
	if g.Update.ProgressSeconds > 0 {
		progress = time.Duration(g.Update.ProgressSeconds) * time.Second
	}
	healthy := max(time.Duration(g.Update.MinReadySeconds)*time.Second, defaultMinHealthy)
	// Nomad wants min_healthy_time < healthy_deadline < progress_deadline, and kill_timeout <= progress_deadline.
	progress = max(progress, healthy+10*time.Second, time.Duration(g.Termination.GraceSeconds)*time.Second)
	u := &api.UpdateStrategy{
		Stagger: new(30 * time.Second), MaxParallel: new(max(1, replicas(g)/4)), HealthCheck: new("checks"),
		MinHealthyTime: new(healthy), HealthyDeadline: new(progress - 5*time.Second), ProgressDeadline: new(progress),
		AutoRevert: new(false), AutoPromote: new(false), Canary: new(0),
	}
	if g.Identity == topology.Interchangeable && !ports.static() && !exclusive(g) && len(required(g)) == 0 {
		u.Canary, u.AutoPromote = new(1), new(true)
	}
	if g.Identity == topology.Stable {
		u.MaxParallel = new(1)
	}
	return u
}

// exclusive tells whether a second replica could not use the volumes of the first.
func exclusive(g *topology.Group) bool {
	for _, v := range g.Volumes {
		if v.Persistent != nil && !v.Persistent.Shared {
			return true
		}
	}
	return false
}
