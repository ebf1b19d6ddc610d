package kubernetes

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// summarize counts the replicas of each group and says in a word how the instance is.
func summarize(out *engine.Observation, s *scene, live map[string]*Object, record *Object) {
	out.Phase = "ready"
	var messages []string
	worse := func(phase, message string) {
		if out.Phase != "degraded" {
			out.Phase = phase
		}
		messages = append(messages, message)
	}
	for i := range s.actors {
		a := &s.actors[i]
		o := live[a.ref]
		if o == nil {
			out.Groups[a.group.Name] = engine.GroupStatus{}
			worse("degraded", a.group.Name+": "+a.ref+" is missing")
			continue
		}
		s.live[a.ref] = o
		status, settled := count(o)
		out.Groups[a.group.Name] = status
		st := s.judge(a, time.Now())
		switch {
		case st.trouble != nil:
			worse("degraded", fmt.Sprintf("%s: %s: %s", a.group.Name, st.trouble.reason, st.trouble.message))
		case !settled:
			worse("progressing", fmt.Sprintf("%s: %d of %d replicas are updated, %d ready", a.group.Name, status.Updated, status.Desired, status.Ready))
		case status.Ready < status.Desired:
			worse("degraded", fmt.Sprintf("%s: %d of %d replicas are ready", a.group.Name, status.Ready, status.Desired))
		}
	}
	if record.GetDeletionTimestamp() != nil {
		out.Phase = "deleting"
	}
	out.Message = strings.Join(messages, "; ")
}

// count replicas; settled says that no update is under way.
func count(o *Object) (s engine.GroupStatus, settled bool) {
	switch o.GetKind() {
	case "Deployment":
		d := typed[appsv1.Deployment](o)
		if d == nil {
			return s, false
		}
		s = engine.GroupStatus{Desired: number(d.Spec.Replicas), Ready: int(d.Status.ReadyReplicas), Updated: int(d.Status.UpdatedReplicas)}
		return s, d.Status.ObservedGeneration >= d.Generation && s.Updated == s.Desired && int(d.Status.Replicas) == s.Desired
	case "StatefulSet":
		d := typed[appsv1.StatefulSet](o)
		if d == nil {
			return s, false
		}
		s = engine.GroupStatus{Desired: number(d.Spec.Replicas), Ready: int(d.Status.ReadyReplicas), Updated: int(d.Status.UpdatedReplicas)}
		return s, d.Status.ObservedGeneration >= d.Generation && s.Updated == s.Desired && int(d.Status.Replicas) == s.Desired
	default:
		j := typed[batchv1.Job](o)
		if j == nil {
			return s, false
		}
		s = engine.GroupStatus{Desired: number(j.Spec.Completions), Ready: int(j.Status.Succeeded), Updated: int(j.Status.Succeeded)}
		return s, s.Ready == s.Desired
	}
}

func number(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}
