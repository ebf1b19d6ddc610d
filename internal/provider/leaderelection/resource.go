// Package leaderelection is the resource pattern_leader_election.
package leaderelection

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/leaderelection"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
)

// Kind of the resource.
func Kind() instance.Kind {
	return instance.Kind{
		Name: leaderelection.Name,
		Description: "Replicas of a main container that elect a leader among themselves, or many: an elector beside each of them decides, and the application asks it over HTTP on localhost, in any language. " +
			"Each leader has a fencing token that grows: exclusion is only safe where the resource that the leader writes to refuses smaller tokens than one that it has seen.",
		Attributes: attributes.Merged(attributes.Workload(), attributes.Elections(), attributes.Map{"sidecars": attributes.Sidecars()}),
		New:        func() patterns.Spec { return &leaderelection.Spec{} },
	}
}
