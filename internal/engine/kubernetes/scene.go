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
	// balanced services wait for a load balancer's address.
	balanced []string
	// begun is when the wait did; zero for an observer, who looks once and gives no time.
	begun time.Time
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
	// restarts of containers when they were first seen: what they did before this wait is not its business.
	restarts map[string]int32
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

func newScene(t *topology.Topology, objects []*Object, begun time.Time) *scene {
	s := &scene{
		begun: begun, restarts: map[string]int32{},
		watched: map[string]time.Time{}, live: map[string]*Object{}, pods: map[types.UID]*corev1.Pod{},
		failedCreates: map[types.UID]*corev1.Event{}, seen: map[string]time.Time{}, moved: map[string]mark{},
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		for _, service := range g.Services {
			if service.Exposure == topology.ExposeLoadBalancer {
				s.balanced = append(s.balanced, "v1/Service/"+service.Name)
			}
		}
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

// recent tells whether something that the cluster noted happened during this wait. Clocks may differ a little, and the
// cluster may be quicker than we.
func (s *scene) recent(at time.Time) bool { return at.After(s.begun.Add(-10 * time.Second)) }

// crashed tells whether a container has ended again since it was first seen, or had not ended often then.
func (s *scene) crashed(pod types.UID, c *corev1.ContainerStatus) bool {
	key := string(pod) + c.Name
	if _, known := s.restarts[key]; !known {
		s.restarts[key] = c.RestartCount
	}
	return s.restarts[key] <= 1 || c.RestartCount > s.restarts[key]
}

// lasted tells for how long a suspicion has been seen, now included.
func (s *scene) lasted(key string, now time.Time) time.Duration {
	if s.begun.IsZero() {
		return now.Sub(s.begun)
	}
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
