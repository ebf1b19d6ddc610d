// Package sidecar is the resource pattern_sidecar.
package sidecar

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
)

// Kind of the resource.
func Kind() instance.Kind {
	sidecars := attributes.Sidecars()
	sidecars.Required, sidecars.Optional = true, false
	return instance.Kind{
		Name: sidecar.Name,
		Description: "A main container and the sidecars that extend it: they are co-scheduled as one atom, share localhost and volumes, start before main, end after it, and restart alone. " +
			"A sidecar is one of the framework's own (`log_saver`) or a container of yours.",
		Attributes: attributes.Merged(attributes.Workload(), attributes.Elections(), attributes.Map{"sidecars": sidecars}),
		New:        func() patterns.Spec { return &sidecar.Spec{} },
	}
}
