package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// How much of the past a diagnostic shows.
const (
	lastEvents = 6
	lastLines  = 20
)

// eventsOf an object, oldest first. They are evidence, not more: whoever may not read them does without.
func (c *client) eventsOf(ctx context.Context, namespace string, uid types.UID) []*corev1.Event {
	if uid == "" {
		return nil
	}
	list, err := c.dynamic.Resource(events).Namespace(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(uid)})
	if err != nil {
		return nil
	}
	var out []*corev1.Event
	for i := range list.Items {
		if ev := typed[corev1.Event](&list.Items[i]); ev != nil {
			out = append(out, ev)
		}
	}
	slices.SortStableFunc(out, func(a, b *corev1.Event) int { return when(a).Compare(when(b)) })
	return out
}

func when(ev *corev1.Event) time.Time {
	for _, t := range []time.Time{ev.LastTimestamp.Time, ev.EventTime.Time, ev.FirstTimestamp.Time, ev.CreationTimestamp.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func lines(all []*corev1.Event) []string {
	var out []string
	for _, ev := range all[max(0, len(all)-lastEvents):] {
		line := fmt.Sprintf("%s %s: %s", ev.Type, ev.Reason, strings.Join(strings.Fields(ev.Message), " "))
		if ev.Count > 1 {
			line += fmt.Sprintf(" (%d times)", ev.Count)
		}
		out = append(out, line)
	}
	return out
}

// logOf a container: of its former run if it has restarted, else of this one.
func (c *client) logOf(ctx context.Context, p *corev1.Pod, container string, restarted bool) []string {
	if p == nil || container == "" {
		return nil
	}
	for _, previous := range []bool{restarted, false} {
		raw, err := c.readLog(ctx, p, corev1.PodLogOptions{Container: container, Previous: previous, TailLines: new(int64(lastLines))})
		if text := strings.TrimRight(string(raw), "\n"); err == nil && text != "" {
			return strings.Split(text, "\n")
		}
	}
	return nil
}
