package instance

import (
	"context"
	"errors"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// applyRepairing applies, and takes back those fields from other managers whose drift the plan has shown: whoever approved
// it wants them repaired. Any other conflict is an error.
func (r *Resource) applyRepairing(ctx context.Context, t *topology.Topology, former tfsdk.State) error {
	err := r.target.Engine.Apply(ctx, t, engine.ApplyOptions{})
	var conflict *engine.ConflictError
	if !errors.As(err, &conflict) {
		return err
	}
	var shown []string
	if former.GetAttribute(ctx, path.Root("drift"), &shown).HasError() || !showed(shown, conflict) {
		return err
	}
	return r.target.Engine.Apply(ctx, t, engine.ApplyOptions{Force: true})
}

// showed tells whether every field of a conflict is among the lines of drift, itself or as a part.
func showed(drift []string, conflict *engine.ConflictError) bool {
	for _, fields := range conflict.Fields {
		for _, f := range fields {
			if !anyShows(drift, plain(conflict.Object+" "+f)) {
				return false
			}
		}
	}
	return true
}

func anyShows(drift []string, field string) bool {
	for _, line := range drift {
		at, _, _ := strings.Cut(line, ": want ")
		at = plain(at)
		if rest, ok := strings.CutPrefix(at, field); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
		if rest, ok := strings.CutPrefix(field, at); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// plain writes the key of a map as the API does in conflicts: .data.a.txt, not .data["a.txt"].
func plain(field string) string {
	return strings.NewReplacer(`["`, ".", `"]`, "").Replace(field)
}
