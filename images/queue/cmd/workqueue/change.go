package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func (p *program) redrive(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("redrive", flag.ContinueOnError)
	all := flags.Bool("all", false, "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 || (len(rest) > 1) == *all {
		return usageError{"needs a stage, and -all or names"}
	}
	return p.change(ctx, rest[0], "redrive", api.SelectRequest{Names: rest[1:], All: *all}, "to be tried again")
}

func (p *program) purge(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("purge", flag.ContinueOnError)
	state := flags.String("state", "", "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 || (len(rest) > 1) == (*state != "") {
		return usageError{"needs a stage, and -state or names"}
	}
	return p.change(ctx, rest[0], "purge", api.SelectRequest{Names: rest[1:], State: api.State(*state)}, "removed")
}

func (p *program) change(ctx context.Context, stage, what string, r api.SelectRequest, done string) error {
	var n api.CountAnswer
	if err := p.queue.post(ctx, stagePath(stage)+"/"+what, r, &n); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%d %s\n", n.Count, done)
	if n.Count < len(r.Names) {
		return fmt.Errorf("%d of the %d names are not there, or not in a state for it", len(r.Names)-n.Count, len(r.Names))
	}
	return nil
}
