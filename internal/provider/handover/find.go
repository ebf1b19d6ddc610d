package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
)

// A fault is something wrong with an attribute of the action.
type fault struct{ at, summary, detail string }

func (f *fault) Error() string { return f.at + ": " + f.detail }

// find the instance by its record, whatever pattern it is of, and the place of the election in it.
func (a *Action) find(ctx context.Context, h *handing) error {
	found := ""
	for _, k := range a.kinds {
		key := h.key
		key.Pattern = k.Name
		record, err := a.target.Engine.Lookup(ctx, key)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		t, err := k.Recorded(record, a.target.Settings)
		if err != nil {
			return fmt.Errorf("pattern_%s: %w: apply it once with this version", k.Name, err)
		}
		places, err := elections.Places(t)
		if err != nil {
			return err
		}
		found = k.Name
		if len(places) == 0 {
			continue // where names are by pattern, another one may have the same
		}
		place, is := places[h.election]
		if !is {
			return &fault{"election", "No such election", fmt.Sprintf("pattern_%s %q has no election %q. It has: %s.", k.Name, h.key.Name, h.election, listed(slices.Sorted(maps.Keys(places))))}
		}
		h.topology, h.place = t, place
		return nil
	}
	if found != "" {
		return &fault{"of", "No elections", fmt.Sprintf("pattern_%s %q has no elections: name some in its elections or election_sets, and apply it.", found, h.key.Name)}
	}
	where := "the provider's namespace"
	if h.key.Namespace != "" {
		where = "the namespace " + h.key.Namespace
	}
	return &fault{"of", "No such instance", fmt.Sprintf("there is no instance %q in %s of %s. Give the name of one that was applied, and its namespace if it is another one.", h.key.Name, where, a.target.Engine.Name())}
}

// mostListed names, of which there may be thousands.
const mostListed = 20

func listed(names []string) string {
	if more := len(names) - mostListed; more > 0 {
		names = append(slices.Clone(names[:mostListed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
