package kubernetes

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// A scene is what is known of an instance while it is waited for.
type scene struct {
	actors []actor
	// since when each workload's kind has been watched; before that, its absence means nothing.
	watched map[string]time.Time
	// live workloads by reference, Pods by UID.
	live map[string]*Object
	pods map[types.UID]*corev1.Pod
	// failedCreates are events of workloads whose own status does not tell.
	failedCreates map[types.UID]*corev1.Event
	// seen remembers since when a suspicion has lasted, moved since when an actor's counts have not changed.
	seen  map[string]time.Time
	moved map[string]mark
}

// mark is a state and when it was first seen.
type mark struct {
	state string
	at    time.Time
}

// An actor is a group and the workload that plays it.
type actor struct {
	group    *topology.Group
	ref      string
	name     string
	revision string
}

func newScene(t *topology.Topology, objects []*Object) *scene {
	s := &scene{
		watched: map[string]time.Time{}, live: map[string]*Object{}, pods: map[types.UID]*corev1.Pod{},
		failedCreates: map[types.UID]*corev1.Event{}, seen: map[string]time.Time{}, moved: map[string]mark{},
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		for _, o := range objects {
			if o.GetLabels()[labelGroup] == g.Name && o.GetLabels()[labelRevision] != "" {
				s.actors = append(s.actors, actor{group: g, ref: reference(o), name: o.GetName(), revision: o.GetLabels()[labelRevision]})
			}
		}
	}
	return s
}

// take a change in.
func (s *scene) take(ch change, now time.Time) {
	switch {
	case ch.fresh:
		s.forget(ch, now)
	case ch.resource == pods:
		if ch.gone {
			delete(s.pods, ch.object.GetUID())
		} else if p := typed[corev1.Pod](ch.object); p != nil {
			s.pods[p.UID] = p
		}
	case ch.resource == events:
		if ev := typed[corev1.Event](ch.object); ev != nil && !ch.gone {
			s.failedCreates[ev.UID] = ev
		}
	case ch.gone:
		delete(s.live, reference(ch.object))
	default:
		s.live[reference(ch.object)] = ch.object
	}
}

func (s *scene) forget(ch change, now time.Time) {
	switch ch.resource {
	case pods:
		s.pods = map[types.UID]*corev1.Pod{}
	case events:
		s.failedCreates = map[types.UID]*corev1.Event{}
	default:
		for ref := range s.live {
			if k, _, err := dereference(ref); err == nil && k.resource() == ch.resource {
				delete(s.live, ref)
			}
		}
		for _, k := range kinds {
			if k.resource() == ch.resource {
				s.watched[k.name] = now
			}
		}
	}
}

// newest Pods of an actor: those of its newest revision that are not on their way out.
func (s *scene) newest(a *actor) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range s.pods {
		if p.Labels[labelGroup] == a.group.Name && p.Labels[labelRevision] == a.revision && p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}

// lasted tells for how long a suspicion has been seen, now included.
func (s *scene) lasted(key string, now time.Time) time.Duration {
	if _, known := s.seen[key]; !known {
		s.seen[key] = now
	}
	return now.Sub(s.seen[key])
}

func typed[T any](o *Object) *T {
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &out); err != nil {
		return nil
	}
	return &out
}
