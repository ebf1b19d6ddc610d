package instance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// reportLines of a log are read: the newest report is among them, even if there is much to say in between.
const reportLines = 100

// How often the log is read while an apply waits for the end of the work.
const awaitEvery = 2 * time.Second

// reported is the progress that an instance tells in its log; nil where it tells none, or cannot be asked.
func (r *Resource) reported(ctx context.Context, t *topology.Topology, s patterns.Spec) *patterns.Progress {
	reporter, ok := s.(patterns.Reporter)
	if !ok {
		return nil
	}
	group, container := reporter.Reports()
	lines, err := r.target.Engine.Tail(ctx, t, group, container, reportLines)
	if err != nil {
		tflog.Debug(ctx, "no report of the work", map[string]any{"error": err.Error()})
		return nil
	}
	return reporter.Progress(lines)
}

// unfinishedError is work that did not come to its end, or that has failed in part.
type unfinishedError struct {
	last *patterns.Progress
	// waited is how long; zero if the work ended with failures.
	waited time.Duration
}

func (e *unfinishedError) Error() string {
	var b strings.Builder
	if e.waited > 0 {
		fmt.Fprintf(&b, "The work is not done after %s", e.waited.Round(time.Second))
	} else {
		b.WriteString("The work is done, but some of it has failed")
	}
	if e.last == nil {
		b.WriteString(": the instance has not yet told how far it is.")
		return b.String()
	}
	fmt.Fprintf(&b, ": %s.", e.last.Message)
	if len(e.last.Failures) > 0 {
		b.WriteString("\n\nDead letters:\n  " + strings.Join(e.last.Failures, "\n  "))
	}
	return b.String()
}

// awaited is the spec of what was written, if the user wants an apply to wait for the work; nil otherwise.
func (r *Resource) awaited(raw tftypes.Value) (patterns.Spec, error) {
	w, err := r.kind.read(raw)
	if err != nil {
		return nil, err
	}
	if reporter, ok := w.spec.(patterns.Reporter); !ok || !reporter.Awaited() {
		return nil, nil
	}
	return w.spec, nil
}

// reportBefore is the newest report before an apply, where that is going to wait for the work: it may be older than what
// the user has done since (a redrive, say), so it does not say that the work is done.
func (r *Resource) reportBefore(ctx context.Context, t *topology.Topology, raw tftypes.Value) string {
	spec, err := r.awaited(raw)
	if err != nil || spec == nil {
		return ""
	}
	if p := r.reported(ctx, t, spec); p != nil {
		return p.Report
	}
	return ""
}

// await waits until the work is done, where the user wants that, by another report than the one before.
func (r *Resource) await(ctx context.Context, t *topology.Topology, raw tftypes.Value, before string) error {
	spec, err := r.awaited(raw)
	if err != nil || spec == nil {
		return err
	}
	begun := time.Now()
	var last *patterns.Progress
	for said := ""; ; {
		if p := r.reported(ctx, t, spec); p != nil && p.Report != before {
			if p.Message != said {
				said = p.Message
				tflog.Info(ctx, p.Message)
			}
			if last = p; p.Done && len(p.Failures) == 0 {
				return nil
			}
			if p.Done {
				return &unfinishedError{last: p}
			}
		}
		select {
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctx.Err()
			}
			return &unfinishedError{last: last, waited: time.Since(begun)}
		case <-time.After(awaitEvery):
		}
	}
}
