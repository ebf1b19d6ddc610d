package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/electors"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// handing is one hand-over.
type handing struct {
	engine       electors.Runner
	key          topology.Key
	election, to string
	most, within time.Duration // of all, and of the answer who leads
	tell         func(string)

	topology *topology.Topology
	place    elections.Place
}

// between two rounds.
const pause = 500 * time.Millisecond

// run until another one leads. What may pass (nobody leads at the moment, the leader changes meanwhile, the heir is about to start) is
// tried again until ctx ends.
func (h *handing) run(ctx context.Context) error {
	var why error
	for round := 0; ; round++ {
		err := h.try(ctx, round)
		if err == nil {
			return nil
		}
		var passes *passingError
		if !errors.As(err, &passes) {
			if ctx.Err() != nil {
				return h.late(cmp.Or(why, err))
			}
			return err
		}
		if why == nil || why.Error() != passes.why.Error() {
			h.tell(strings.TrimSuffix(passes.why.Error(), ".") + "; trying again")
		}
		why = passes.why
		select {
		case <-ctx.Done():
			return h.late(why)
		case <-time.After(pause):
		}
	}
}

// late is why there is no hand-over when the time is over: what has stood in its way.
func (h *handing) late(why error) error {
	var wrong *fault
	if errors.As(why, &wrong) {
		return &fault{wrong.at, wrong.summary, fmt.Sprintf("%s It was tried for %s (timeout).", wrong.detail, h.most)}
	}
	return fmt.Errorf("not done within %s (timeout): %w", h.most, why)
}

// passingError is worth another try.
type passingError struct{ why error }

func (e *passingError) Error() string { return e.why.Error() }

// try once.
func (h *handing) try(ctx context.Context, round int) error {
	replicas, err := h.engine.Replicas(ctx, h.topology, h.place.Group, elections.ContainerName)
	if err != nil {
		return err
	}
	names := make([]string, len(replicas))
	for i, r := range replicas {
		names[i] = r.Name
	}
	switch {
	case len(replicas) == 0:
		return &passingError{&fault{"of", "Nobody to ask", fmt.Sprintf("no elector of %q runs now. See what keeps its replicas from running.", h.key.Name)}}
	case h.to != "" && !slices.Contains(names, h.to):
		return &fault{"to", "No such replica", fmt.Sprintf("%q is no replica that runs. These do: %s.", h.to, listed(names))}
	case h.to == "" && len(replicas) == 1:
		return &fault{"of", "Nobody to hand over to", fmt.Sprintf("of %q only %s runs. Give it more replicas, or see what keeps the others from running.", h.key.Name, names[0])}
	}
	is, err := h.ask(ctx, replicas, round)
	if err != nil {
		return err
	}
	at := slices.Index(names, is.Leader)
	if at < 0 {
		return &passingError{&fault{"election", "The leader is not there", fmt.Sprintf("%s leads %q, and does not run any more. Another one follows when its lease has run out.", is.Leader, h.election)}}
	}
	if is.Leader != h.to {
		h.tell(fmt.Sprintf("%s leads %s with the token %d, and is asked to hand over to %s", is.Leader, h.election, is.Term, cmp.Or(h.to, "whoever takes it")))
	}
	return h.from(ctx, replicas, replicas[at])
}

// followed finds out who leads after a replica has handed over, or has told that the wished one does already.
func (h *handing) followed(ctx context.Context, replicas []engine.Replica, leader engine.Replica) error {
	for {
		is, err := h.ask(ctx, replicas, 0)
		if err == nil && (is.Leader != leader.Name || is.Leader == h.to) {
			when := "now"
			if is.Leader == leader.Name {
				when = "already"
			}
			h.tell(fmt.Sprintf("%s leads %s %s, with the token %d", is.Leader, h.election, when, is.Term))
			return nil
		}
		select {
		case <-ctx.Done():
			return cmp.Or(err, fmt.Errorf("%s has handed %q over, and its elector has not told to whom", leader.Name, h.election))
		case <-time.After(pause):
		}
	}
}

// from the replica that leads.
func (h *handing) from(ctx context.Context, replicas []engine.Replica, leader engine.Replica) error {
	var is elections.HandedOver
	if err := electors.Ask(ctx, h.engine, h.topology, leader, &is, elections.HandOver(h.place.Election, h.to)); err != nil {
		var silent *electors.SilentError
		switch {
		case errors.As(err, &silent) && silent.Status == 0: // another one leads, and the others know who
			return h.followed(ctx, replicas, leader)
		case errors.As(err, &silent), errors.Is(err, engine.ErrNotRunning):
			return &passingError{err}
		}
		return err
	}
	now := is.Election
	switch is.Outcome {
	case elections.Done:
		if now.Leader == is.From {
			h.tell(fmt.Sprintf("%s leads %s already, with the token %d", now.Leader, h.election, now.Term))
			return nil
		}
		h.tell(fmt.Sprintf("%s leads %s now, with the token %d", now.Leader, h.election, now.Term))
		return nil
	case elections.Elsewhere, elections.Leaderless: // it has changed since
		return &passingError{&fault{"election", "Nobody leads for certain", fmt.Sprintf("%s leads %q no more, and it is not settled who does.", leader.Name, h.election)}}
	case elections.Unready:
		if h.to == "" {
			return &passingError{&fault{"election", "Nobody else is ready", fmt.Sprintf("of the others nobody is ready to lead %q, and %s leads on. See their readiness.", h.election, leader.Name)}}
		}
		return &passingError{&fault{"to", "The heir is not ready", fmt.Sprintf("%s is not ready to lead %q, and %s leads on. See its readiness, or name another one.", h.to, h.election, leader.Name)}}
	case elections.Unfollowed:
		if now.Leader != "" {
			return &fault{"election", "Nobody else wants to lead", fmt.Sprintf("%s has handed %q over, nobody else has taken it, and it leads again, with the token %d. See the readiness of the others.", now.Leader, h.election, now.Term)}
		}
		return &fault{"election", "Nobody leads", fmt.Sprintf("%s has handed %q over, and nobody has taken it yet. See the readiness of the others, and with campaign = \"app\" whether their applications stand for it.", leader.Name, h.election)}
	}
	return fmt.Errorf("the elector of %s gives the answer %q, which this version does not know", leader.Name, is.Outcome)
}

// ask who leads, in each round another elector first: not all of them may know.
func (h *handing) ask(ctx context.Context, replicas []engine.Replica, round int) (is elections.Known, err error) {
	first := round % len(replicas)
	err = electors.Leaders(ctx, h.engine, h.topology, slices.Concat(replicas[first:], replicas[:first]), h.within, func(all map[string]elections.Known) bool {
		is = all[h.place.Election]
		return is.Leader != ""
	}, h.place.Election)
	var denied *engine.NotPermittedError
	switch {
	case errors.As(err, &denied):
		return is, err
	case err != nil:
		return is, &passingError{err}
	case is.Leader == "":
		return is, &passingError{&fault{"election", "Nobody leads", fmt.Sprintf("nobody leads %q now. See whether its replicas are ready, and with campaign = \"app\" whether their applications stand for it.", h.election)}}
	}
	return is, nil
}
