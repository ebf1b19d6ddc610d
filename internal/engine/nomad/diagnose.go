package nomad

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// A container that has ended so often without having been healthy is in a crash loop.
const crashes = 3

// A template that has waited so long for a variable will not get it by itself.
const missingFor = 10 * time.Second

// failure is why waiting longer is of no use.
type failure struct {
	group, container string
	alloc            *api.AllocationListStub
	reason, message  string
}

// broken finds what keeps a replica from ever being ready.
func (w *waiter) broken(a *api.AllocationListStub) *failure {
	before := w.before(a)
	for _, name := range sorted(a.TaskStates) {
		s := a.TaskStates[name]
		restarts := s.Restarts
		if before {
			key := a.ID + "/" + name
			if _, known := w.restarts[key]; !known {
				w.restarts[key] = restarts
			}
			restarts -= w.restarts[key]
		}
		if f := taskFailure(s, restarts, w.batch); f != nil {
			f.group, f.alloc, f.container = a.TaskGroup, a, name
			return f
		}
	}
	if a.ClientStatus == api.AllocClientStatusFailed {
		return &failure{group: a.TaskGroup, alloc: a, container: w.worst(a), reason: "Failed", message: a.ClientDescription}
	}
	return nil
}

// before tells whether a replica has a past that says nothing of the newest version: it has been healthy, or was there
// when the version came and was updated in place. Only what happens from now on counts.
func (w *waiter) before(a *api.AllocationListStub) bool {
	if s := a.DeploymentStatus; s != nil && s.Healthy != nil && *s.Healthy {
		return true
	}
	return w.job != nil && w.job.SubmitTime != nil && a.CreateTime < *w.job.SubmitTime
}

// taskFailure judges one container by its state and events.
func taskFailure(s *api.TaskState, restarts uint64, batch bool) *failure {
	end := lastOf(s.Events, api.TaskTerminated)
	refused := lastOf(s.Events, api.TaskDriverFailure)
	if refused != nil && refused == lastOf(s.Events, api.TaskDriverFailure, api.TaskTerminated, api.TaskStarted) {
		text := cmp.Or(refused.Details["driver_error"], refused.DriverError, refused.DisplayMessage)
		switch {
		case !s.Failed && restarts < crashes && !hopeless(text):
		case pull(text):
			return &failure{reason: "ImagePullBackOff", message: text}
		default:
			return &failure{reason: "CreateContainerError", message: text}
		}
	}
	if s.Failed && end == nil {
		if e := lastOf(s.Events, api.TaskSetupFailure, api.TaskFailedValidation, "Task hook failed", "Failed Validation", "Failed Artifact Download", "Template"); e != nil {
			return &failure{reason: "CreateContainerConfigError", message: e.DisplayMessage}
		}
	}
	if end != nil && (s.Failed || !batch && restarts >= crashes) {
		if end.Details["oom_killed"] == "true" {
			return &failure{reason: "OOMKilled", message: "it needs more memory than its limit: " + end.DisplayMessage}
		}
		reason := "CrashLoopBackOff"
		if batch {
			reason = "BackoffLimitExceeded"
		}
		return &failure{reason: reason, message: fmt.Sprintf("it has failed %d times, last with: %s", endings(s.Events), end.DisplayMessage)}
	}
	if s.State == "pending" {
		if e := lastOf(s.Events, "Template"); e != nil && strings.Contains(e.DisplayMessage, "Missing") && e == s.Events[len(s.Events)-1] && time.Since(time.Unix(0, e.Time)) > missingFor {
			return &failure{reason: "CreateContainerConfigError", message: "it waits for a variable that is not there or that it may not read: " + e.DisplayMessage}
		}
	}
	return nil
}

// hopeless tells whether a registry has given an answer that it will give again.
func hopeless(text string) bool {
	text = strings.ToLower(text)
	for _, s := range []string{"not found", "unknown", "denied", "unauthorized", "invalid reference", "no matching manifest"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// pull tells whether a driver's error is about fetching the image.
func pull(text string) bool {
	text = strings.ToLower(text)
	for _, s := range []string{"pull", "manifest unknown", "image", "registry"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// endings that Nomad still remembers.
func endings(events []*api.TaskEvent) (n int) {
	for _, e := range events {
		if e.Type == api.TaskTerminated {
			n++
		}
	}
	return n
}

func lastOf(events []*api.TaskEvent, types ...string) *api.TaskEvent {
	for i := len(events) - 1; i >= 0; i-- {
		if slices.Contains(types, events[i].Type) {
			return events[i]
		}
	}
	return nil
}

// worst is the container of a replica that is the least well: failed, not started, restarted most often, in this order.
func (w *waiter) worst(a *api.AllocationListStub) string {
	name, least := "", -1
	for _, n := range sorted(a.TaskStates) {
		s := a.TaskStates[n]
		bad := int(min(s.Restarts, 1000))
		if s.State == "pending" {
			bad += 10_000
		}
		if s.Failed {
			bad += 100_000
		}
		if bad > least {
			name, least = n, bad
		}
	}
	return name
}

// deploymentFailed finds the replica that was not healthy in time, and what its checks say.
func (w *waiter) deploymentFailed(current []*api.AllocationListStub) *failure {
	f := &failure{reason: "ProgressDeadlineExceeded", message: w.deployment.StatusDescription}
	for _, a := range w.allocs {
		unhealthy := a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil && !*a.DeploymentStatus.Healthy
		if a.JobVersion == *w.job.Version && unhealthy {
			f.group, f.alloc, f.container = a.TaskGroup, a, w.worst(a)
			break
		}
	}
	for _, a := range current {
		if f.alloc == nil && !w.ready(a) {
			f.group, f.alloc, f.container = a.TaskGroup, a, w.worst(a)
		}
	}
	return f
}

const (
	lastEvents  = 8
	lastLines   = 20
	lastLogTail = 8 << 10 // bytes from which the lines are taken
)

// explain adds what the cluster knows: events, failing checks, log lines. It takes its own time, since the caller's may be
// over.
func (w *waiter) explain(f *failure) error {
	out := &engine.NotReadyError{
		Key: w.key, Group: f.group, Container: f.container, Reason: f.reason, Message: strings.TrimSpace(f.message), Waited: time.Since(w.begun),
	}
	if f.alloc == nil {
		if out.Group == "" && len(w.job.TaskGroups) > 0 {
			out.Group = *w.job.TaskGroups[0].Name
		}
		return out
	}
	out.Group = f.alloc.TaskGroup
	ctx, cancel := context.WithTimeout(context.Background(), lastLook)
	defer cancel()
	if f.reason == "Timeout" || f.reason == "ProgressDeadlineExceeded" {
		w.blameChecks(ctx, f, out)
	}
	if s := f.alloc.TaskStates[f.container]; s != nil {
		for _, e := range s.Events[max(0, len(s.Events)-lastEvents):] {
			out.Events = append(out.Events, fmt.Sprintf("%s %s: %s", time.Unix(0, e.Time).UTC().Format(time.TimeOnly), e.Type, e.DisplayMessage))
		}
		for _, stream := range []string{"stdout", "stderr"} {
			out.Log = append(out.Log, w.tail(ctx, f.alloc.ID, f.container, stream)...)
		}
		out.Log = out.Log[max(0, len(out.Log)-lastLines):]
	}
	return out
}

// blameChecks adds what the failing checks of a replica saw, and names the container that they ask.
func (w *waiter) blameChecks(ctx context.Context, f *failure, out *engine.NotReadyError) {
	c, err := w.engine.connect()
	if err != nil {
		return
	}
	checks, err := c.Allocations().Checks(f.alloc.ID, w.engine.query(ctx, w.key.Namespace))
	if err != nil {
		return
	}
	for _, id := range sorted(checks) {
		check := checks[id]
		if check.Status == "success" {
			continue
		}
		saw := strings.TrimSpace(cmp.Or(check.Output, check.Status))
		if check.StatusCode != 0 {
			saw = fmt.Sprintf("%d %s", check.StatusCode, saw)
		}
		out.Message += fmt.Sprintf("; check %q: %s", check.Check, saw)
		if f.alloc.TaskStates[check.Task] != nil {
			out.Container, f.container = check.Task, check.Task
		}
	}
}

// tail of a container's log. Very short containers may have left none.
func (w *waiter) tail(ctx context.Context, alloc, task, stream string) []string {
	text, cut, err := w.engine.log(ctx, w.key.Namespace, alloc, task, stream, lastLogTail)
	if err != nil {
		return nil
	}
	return engine.LastLines(text, lastLines, cut)
}
