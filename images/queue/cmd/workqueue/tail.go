package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// tail shows how far the queue is, until nothing is left to do.
func (p *program) tail(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return usageError{"takes no arguments"}
	}
	bar := &bar{program: p}
	path := "/v1/status"
	for {
		var s api.Status
		if err := p.queue.get(ctx, path, &s); err != nil {
			return err
		}
		done, dead, left := sums(s)
		words := fmt.Sprintf("%d left, %d done, %.1f/s", left, done, pace(s))
		if dead > 0 {
			words += fmt.Sprintf(", %d dead", dead)
		}
		if s.Source.Error != "" {
			words += ", source: " + s.Source.Error
		}
		if e := sinkError(s.Sink); e != "" {
			words += ", sink: " + e
		}
		bar.show(done+dead, done+dead+left, words)
		if s.Drained || s.Source.Read && left == 0 || !s.Source.Finite && left == 0 {
			bar.end()
			if dead > 0 {
				return p.deadLetters(ctx, s)
			}
			return nil
		}
		path = fmt.Sprintf("/v1/status?wait=10s&since=%d", s.Version)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond): // no more than five a second
		}
	}
}

// sums over all stages; what waits for the sink is left, too.
func sums(s api.Status) (done, dead, left int64) {
	for _, stage := range s.Stages {
		done += stage.Counts[api.Done]
		dead += stage.Counts[api.Dead]
		for _, state := range []api.State{api.Waiting, api.Delayed, api.Blocked, api.InFlight} {
			left += stage.Counts[state]
		}
	}
	if s.Sink != nil {
		left += s.Sink.Pending
	}
	return done, dead, left
}

func pace(s api.Status) (perSecond float64) {
	for _, stage := range s.Stages {
		perSecond += stage.PerSecond
	}
	return perSecond
}

// deadLetters are named with their errors, at most ten of each stage.
func (p *program) deadLetters(ctx context.Context, s api.Status) error {
	for _, stage := range s.Stages {
		if stage.Counts[api.Dead] == 0 {
			continue
		}
		fmt.Fprintf(p.errors, "%d dead letters of %s:\n", stage.Counts[api.Dead], stage.Name)
		var page api.ItemsAnswer
		if err := p.queue.get(ctx, stagePath(stage.Name)+"/items?state=dead&limit=10", &page); err != nil {
			return err
		}
		for _, i := range page.Items {
			fmt.Fprintf(p.errors, "  %s: %s\n", i.Name, i.Failure.Why(api.ErrorTailBytes))
		}
	}
	return errQuiet
}

// A bar shows progress: in place on a terminal, else a line whenever another twentieth is done.
type bar struct {
	program *program
	shown   int64
	begun   bool
}

const barWidth = 30

func (b *bar) show(done, all int64, words string) {
	share := int64(1000)
	if all > 0 {
		share = done * 1000 / all
	}
	if b.program.terminal {
		filled := int(share * barWidth / 1000)
		fmt.Fprintf(b.program.errors, "\r\x1b[K[%s%s] %3d%%  %s", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), share/10, words)
		return
	}
	if !b.begun || share/50 != b.shown/50 || done == all {
		fmt.Fprintf(b.program.errors, "%3d%%  %s\n", share/10, words)
	}
	b.begun, b.shown = true, share
}

func (b *bar) end() {
	if b.program.terminal {
		fmt.Fprintln(b.program.errors)
	}
}
