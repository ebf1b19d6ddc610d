// Package patterns says what every pattern is to the layers beside it. Each pattern lives in a package below this one;
// what the patterns share is in the package workload.
package patterns

import (
	"maps"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// A Spec is what a user wrote of one instance, decoded from JSON whose names are those of the resource's attributes.
// All of its methods are pure.
type Spec interface {
	// Validate returns every fault of the spec, with the paths that the user wrote.
	Validate() fault.List
	// Topology is what the spec needs to run. It is only called for a spec without faults.
	Topology(Settings) *topology.Topology
	// Changes says what of a change from a former spec cannot be made in place: what needs a new instance, and what
	// cannot be done at all.
	Changes(former Spec) (replaced, refused fault.List)
	// ForgetSecrets removes write-only values, so that the spec can be written to the cluster.
	ForgetSecrets()
}

// A Reporter is a Spec whose instance tells in its log how far its work is. All of its methods are pure.
type Reporter interface {
	// Reports come in the log of this container.
	Reports() (group, container string)
	// Progress is that of the newest report among the lines of the log, the oldest first; nil if there is none.
	Progress(lines []string) *Progress
	// Awaited says whether an apply waits for the end of the work.
	Awaited() bool
}

// Progress of an instance's work.
type Progress struct {
	// Report tells one report from another.
	Report string
	// Message is one line for people.
	Message string
	// Done says that nothing is left to do.
	Done bool
	// Failures of the work, one line each.
	Failures []string
	// Counts of items, by stage and state.
	Counts map[string]map[string]int64
}

// Settings are what the provider's configuration adds to each instance.
type Settings struct {
	// Image is the reference of a framework image, by its folder under images/.
	Image func(name string) string
	// PullPolicy and PullSecrets of framework images.
	PullPolicy  topology.PullPolicy
	PullSecrets []string
	// Labels and Annotations of every instance. The instance's own win.
	Labels, Annotations map[string]string
}

// Apply adds the settings to a topology.
func (s Settings) Apply(t *topology.Topology) {
	t.PullSecrets = s.PullSecrets
	t.Labels = merge(s.Labels, t.Labels)
	t.Annotations = merge(s.Annotations, t.Annotations)
}

// merge lets the second map win. Empty is nil, so that equal topologies have equal revisions.
func merge(defaults, own map[string]string) map[string]string {
	if len(defaults)+len(own) == 0 {
		return nil
	}
	out := maps.Clone(defaults)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, own)
	return out
}
