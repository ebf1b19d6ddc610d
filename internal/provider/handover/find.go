package handover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/provider/electors"
)

// A fault is something wrong with an attribute of the action.
type fault struct{ at, summary, detail string }

func (f *fault) Error() string { return f.at + ": " + f.detail }

// find the instance, and the place of the election in it.
func (a *Action) find(ctx context.Context, h *handing) error {
	found, err := electors.Find(ctx, a.target.Engine, a.kinds, a.target.Settings, h.key)
	if err != nil {
		return err
	}
	if found.Kind == "" {
		where := "the provider's namespace"
		if h.key.Namespace != "" {
			where = "the namespace " + h.key.Namespace
		}
		return &fault{"of", "No such instance", fmt.Sprintf("there is no instance %q in %s of %s. Give the name of one that was applied, and its namespace if it is another one.", h.key.Name, where, a.target.Engine.Name())}
	}
	if len(found.Places) == 0 {
		return &fault{"of", "No elections", fmt.Sprintf("pattern_%s %q has no elections: name some in its elections or election_sets, and apply it.", found.Kind, h.key.Name)}
	}
	place, is := found.Places[h.election]
	if !is {
		return &fault{"election", "No such election", fmt.Sprintf("pattern_%s %q has no election %q. It has: %s.", found.Kind, h.key.Name, h.election, listed(slices.Sorted(maps.Keys(found.Places))))}
	}
	h.topology, h.place = found.Topology, place
	return nil
}

// mostListed names, of which there may be thousands.
const mostListed = 20

func listed(names []string) string {
	if more := len(names) - mostListed; more > 0 {
		names = append(slices.Clone(names[:mostListed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
