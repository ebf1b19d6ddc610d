package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func (p *program) status(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{"takes no arguments"}
	}
	var s api.Status
	if err := p.queue.get(ctx, "/v1/status", &s); err != nil {
		return err
	}
	if *asJSON {
		return p.json(s)
	}
	t := p.table("STAGE", "WAITING", "DELAYED", "BLOCKED", "IN FLIGHT", "DONE", "DEAD", "PER SECOND", "WORKERS", "OLDEST")
	for _, stage := range s.Stages {
		c := stage.Counts
		workers := fmt.Sprint(stage.Workers)
		if stage.Wanted != nil {
			workers = fmt.Sprintf("%d of %d", stage.Workers, *stage.Wanted)
		}
		row(t, stage.Name, c[api.Waiting], c[api.Delayed], c[api.Blocked], c[api.InFlight], c[api.Done], c[api.Dead],
			fmt.Sprintf("%.1f", stage.PerSecond), workers, time.Duration(stage.OldestSeconds*float64(time.Second)).Round(time.Second))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for what, message := range map[string]string{"source": s.Source.Error, "sink": sinkError(s.Sink)} {
		if message != "" {
			fmt.Fprintf(p.out, "%s: %s\n", what, message)
		}
	}
	if s.Drained {
		fmt.Fprintln(p.out, "drained: nothing is left to do")
	}
	return nil
}

func sinkError(s *api.SinkStatus) string {
	if s == nil {
		return ""
	}
	return s.Error
}

func (p *program) list(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	state := flags.String("state", "", "")
	asJSON := flags.Bool("json", false, "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usageError{"needs one stage"}
	}
	t := p.table("NAME", "STATE", "ATTEMPT", "SIZE", "SINCE", "WORKER", "ERROR")
	err = p.queue.items(ctx, rest[0], *state, func(i api.Item) error {
		if *asJSON {
			return p.json(i)
		}
		reason := ""
		if i.Failure != nil {
			reason = i.Failure.Reason
		}
		row(t, i.Name, i.State, i.Attempt, i.Size, i.Changed.Local().Format(time.DateTime), i.Worker, reason)
		return nil
	})
	if err != nil || *asJSON {
		return err
	}
	return t.Flush()
}

func (p *program) show(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return usageError{"needs a stage and a name"}
	}
	var d api.ItemDetail
	if err := p.queue.get(ctx, stagePath(args[0])+"/items/"+escape(args[1]), &d); err != nil {
		return err
	}
	t := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	row(t, "name", d.Name)
	row(t, "stage", d.Stage)
	row(t, "state", fmt.Sprintf("%s since %s", d.State, d.Changed.Local().Format(time.DateTime)))
	if d.Due != nil {
		row(t, "until", d.Due.Local().Format(time.DateTime))
	}
	row(t, "attempts", d.Attempt)
	row(t, "size", d.Size)
	row(t, "priority", d.Priority)
	if d.Group != "" {
		row(t, "group", d.Group)
	}
	if d.Worker != "" {
		row(t, "worker", d.Worker)
	}
	if d.Input != nil {
		row(t, "made from", reference(*d.Input))
	}
	for _, o := range d.Outputs {
		row(t, "made into", reference(o))
	}
	if d.Failure != nil {
		row(t, "error", d.Failure.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if d.Failure != nil && d.Failure.ErrorTail != "" {
		fmt.Fprintf(p.out, "\n%s\n", strings.TrimRight(d.Failure.ErrorTail, "\n"))
	}
	return nil
}

func reference(r api.Reference) string {
	if r.Stage == "" {
		return r.Name + " (an output)"
	}
	return fmt.Sprintf("%s of %s (%s)", r.Name, r.Stage, r.State)
}

func (p *program) json(v any) error {
	return json.NewEncoder(p.out).Encode(v)
}

func (p *program) table(head ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	return t
}

func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, c)
	}
	fmt.Fprintln(w)
}
