package kubernetes

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Wait until all groups are ready in their newest revision. See engine.Engine.
func (e *Engine) Wait(ctx context.Context, t *topology.Topology, progress func(string)) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	objects, err := Translate(t, Options{Namespace: c.namespace})
	if err != nil {
		return err
	}
	w := &waiting{client: c, t: placed(t, c.namespace), scene: newScene(t, objects, time.Now()), progress: progress}
	if err := w.watch(ctx); err != nil {
		return err
	}
	return c.finish(ctx, w.t, objects)
}

// A waiting is one Wait.
type waiting struct {
	*client
	t        *topology.Topology
	scene    *scene
	progress func(string)
	told     string
}

func (w *waiting) watch(ctx context.Context) error {
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	changes := make(chan change)
	for _, f := range w.follows() {
		go w.follow(wctx, f.kind.resource(), w.t.Namespace, f.options, changes)
	}
	// Some troubles are troubles only when they last; nothing else would wake us then.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.late(ctx)
		case ch := <-changes:
			if ch.err != nil {
				return ch.err
			}
			w.scene.take(ch, time.Now())
		case <-tick.C:
		}
		done, err := w.look(ctx)
		if done || err != nil {
			return err
		}
	}
}

type followed struct {
	kind    kind
	options metav1.ListOptions
}

// follows are the watches that the instance needs: its workloads, its Pods, and for workloads that do not tell in their
// status why they make no Pods, the events that do.
func (w *waiting) follows() []followed {
	mine := metav1.ListOptions{LabelSelector: instanceSelector(w.t.Key())}
	out := []followed{{kind: kind{apiVersion: "v1", plural: "pods"}, options: mine}}
	var refs []string
	silent := false
	for _, a := range w.scene.actors {
		refs = append(refs, a.ref)
		silent = silent || a.group.Identity != topology.Interchangeable
	}
	for _, k := range kindsOf(append(refs, w.scene.balanced...)) {
		out = append(out, followed{kind: k, options: mine})
	}
	if silent {
		out = append(out, followed{kind: kind{apiVersion: "v1", plural: "events"}, options: metav1.ListOptions{FieldSelector: "reason=FailedCreate"}})
	}
	return out
}

// look at all groups: are they done, or is one in trouble?
func (w *waiting) look(ctx context.Context) (done bool, err error) {
	now := time.Now()
	done = true
	var told []string
	for i := range w.scene.actors {
		st := w.scene.judge(&w.scene.actors[i], now)
		told = append(told, st.line)
		done = done && st.done
		if st.trouble != nil {
			if err := w.confirm(ctx, st.trouble); err != nil {
				return false, err
			}
		}
	}
	if waits := w.scene.unbalanced(); done && len(waits) > 0 {
		done, told = false, append(told, waits...)
	}
	if line := strings.Join(told, ", "); line != w.told && w.progress != nil {
		w.told = line
		w.progress(line)
	}
	return done, nil
}

// confirm a trouble by its events, and report it with them and the log.
func (w *waiting) confirm(ctx context.Context, t *trouble) error {
	all := w.eventsOf(ctx, w.t.Namespace, t.about)
	switch t.reason {
	case corev1.PodReasonUnschedulable:
		// A machine is on its way: cluster-autoscaler and Karpenter say so.
		if slices.ContainsFunc(all, func(ev *corev1.Event) bool { return ev.Reason == "TriggeredScaleUp" || ev.Reason == "Nominated" }) {
			w.scene.seen[string(t.pod.UID)+t.reason] = time.Now()
			return nil
		}
	case "ImagePullBackOff":
		// An old failure may be mended by now; the next attempt tells.
		if !slices.ContainsFunc(all, func(ev *corev1.Event) bool { return ev.Reason == "Failed" && w.scene.recent(when(ev)) }) && len(all) > 0 {
			w.scene.seen[string(t.pod.UID)+t.container+t.reason] = time.Now()
			return nil
		}
	case suspectMount:
		if t.message = missingMount(all); t.message == "" {
			w.scene.seen[string(t.pod.UID)+"unmounted"] = time.Now()
			return nil
		}
	}
	return w.report(ctx, t, all)
}

// missingMount is what a Pod cannot mount because it does not exist. Other failures heal: a volume that another machine
// still holds, a network that is slow to be there.
func missingMount(all []*corev1.Event) string {
	missing := ""
	for _, ev := range all {
		switch {
		case ev.Reason == "Pulling" || ev.Reason == "Pulled":
			missing = "" // the mounts are done by then
		case ev.Reason == suspectMount && (strings.Contains(ev.Message, "not found") || strings.Contains(ev.Message, "non-existent")):
			missing = ev.Message
		}
	}
	return missing
}

func (w *waiting) report(ctx context.Context, t *trouble, all []*corev1.Event) error {
	if t.reason == "ProgressDeadlineExceeded" {
		for i := range w.scene.actors {
			if a := &w.scene.actors[i]; a.group.Name == t.group && t.pod == nil {
				l := w.scene.lagging(a)
				t.container, t.pod = l.container, l.pod
				all = slices.Concat(all, w.eventsOf(ctx, w.t.Namespace, l.about))
			}
		}
	}
	return &engine.NotReadyError{
		Key: w.t.Key(), Group: t.group, Container: t.container, Reason: t.reason, Message: t.message,
		Events: lines(all), Log: w.logOf(ctx, t.pod, t.container, t.restarted), Waited: time.Since(w.scene.begun),
	}
}

// late is what there is to say when the time is up.
func (w *waiting) late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	now := time.Now()
	for i := range w.scene.actors {
		a := &w.scene.actors[i]
		st := w.scene.judge(a, now)
		if st.done {
			continue
		}
		t := w.scene.lagging(a)
		t.group, t.reason, t.message = a.group.Name, "Timeout", st.line+w.scene.unready(a)
		return w.report(after, t, w.eventsOf(after, w.t.Namespace, t.about))
	}
	if waits := w.scene.unbalanced(); len(waits) > 0 {
		return &engine.NotReadyError{
			Key: w.t.Key(), Group: w.scene.actors[0].group.Name, Reason: "Timeout", Waited: time.Since(w.scene.begun),
			Message: strings.Join(waits, ", ") + "; does the cluster have a controller that makes load balancers?",
		}
	}
	return ctx.Err()
}
