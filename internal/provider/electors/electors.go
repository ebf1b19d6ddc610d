// Package electors asks the electors of an instance, each by a command in its container.
package electors

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Runner is what asking needs of an engine.
type Runner interface {
	Replicas(ctx context.Context, t *topology.Topology, group, container string) ([]engine.Replica, error)
	Exec(ctx context.Context, t *topology.Topology, r engine.Replica, container string, command ...string) (*engine.Ran, error)
}

// Lookup finds an instance by its record.
type Lookup interface {
	Lookup(ctx context.Context, key topology.Key) (*engine.Record, error)
}

// An Instance with elections.
type Instance struct {
	// Kind is its pattern; "" where there is no instance.
	Kind     string
	Topology *topology.Topology
	// Places of its elections, by their names; none where it has no elections.
	Places map[string]elections.Place
}

// Find an instance by its name, whatever pattern it is of. Where names are by pattern, it is one that has elections, if any has.
func Find(ctx context.Context, in Lookup, kinds []instance.Kind, s patterns.Settings, key topology.Key) (found Instance, err error) {
	for _, k := range kinds {
		key.Pattern = k.Name
		record, err := in.Lookup(ctx, key)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return found, err
		}
		t, err := k.Recorded(record, s)
		if err != nil {
			return found, fmt.Errorf("pattern_%s %q: %w: apply it once with this version", k.Name, key.Name, err)
		}
		places, err := elections.Places(t)
		if err != nil {
			return found, err
		}
		if found = (Instance{k.Name, t, places}); len(places) > 0 {
			return found, nil
		}
	}
	return found, nil
}

// Ask the elector of a replica by a command that prints JSON, whether it succeeds or not.
func Ask(ctx context.Context, e Runner, t *topology.Topology, r engine.Replica, into any, command []string) error {
	ran, err := e.Exec(ctx, t, r, elections.ContainerName, command...)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("the elector of %s has not answered in time: it may be frozen, or its node away", r.Name)
		}
		return err
	}
	if len(ran.Stdout)+len(ran.Stderr) == 0 {
		return &SilentError{r.Name, ran.Status}
	}
	if json.Unmarshal(ran.Stdout, into) != nil {
		said := bytes.TrimSpace(slices.Concat(ran.Stdout, ran.Stderr))
		return fmt.Errorf("the elector of %s cannot be asked (status %d; its image may be of an earlier version, which the next apply replaces): %s", r.Name, ran.Status, said[:min(len(said), 1000)])
	}
	return nil
}

// SilentError is that of a command whose output is lost: Nomad's Docker driver does not wait for it when the command has ended.
type SilentError struct {
	Replica string
	// Status says nonetheless whether the command has succeeded.
	Status int
}

// Error names the replica.
func (e *SilentError) Error() string {
	return fmt.Sprintf("the answer of the elector of %s is lost (status %d)", e.Replica, e.Status)
}

// mostSilent answers of an elector in a row.
const mostSilent = 3

// Leaders asks one elector after the other, each for so long, who leads elections (all, where none is named), until one answers what is
// wanted. The error is that of the first that has not answered; it is nil if one has answered, be it not what is wanted.
func Leaders(ctx context.Context, e Runner, t *topology.Topology, replicas []engine.Replica, within time.Duration, wanted func(map[string]elections.Known) bool, names ...string) error {
	var failed error
	answered := false
	for _, r := range replicas {
		bounded, cancel := context.WithTimeout(ctx, within)
		var all map[string]elections.Known
		err := Ask(bounded, e, t, r, &all, elections.AskLeaders(names...))
		var silent *SilentError
		for n := 1; n < mostSilent && errors.As(err, &silent); n++ {
			err = Ask(bounded, e, t, r, &all, elections.AskLeaders(names...))
		}
		cancel()
		var denied *engine.NotPermittedError
		switch {
		case errors.As(err, &denied):
			return err
		case err != nil:
			failed = cmp.Or(failed, err)
		case wanted(all):
			return nil
		default:
			answered = true
		}
	}
	if answered {
		return nil
	}
	return failed
}

// Within is how long one elector may take to say who leads: its replica may be frozen, or its node gone.
const Within = 10 * time.Second
