package kubernetes

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// A state is how far an actor has come.
type state struct {
	done bool
	// line is for those who wait: "web: 1/2 ready".
	line string
	// trouble that waiting does not heal; nil while there is hope.
	trouble *trouble
}

// trouble is why an actor will not become ready.
type trouble struct {
	group, container, reason, message string
	// pod that shows it, if it is one; restarted says that the container's former run has the log.
	pod       *corev1.Pod
	restarted bool
	// about is the object whose events tell more.
	about types.UID
}

// judge an actor. It is a function of the scene and the time.
func (s *scene) judge(a *actor, now time.Time) state {
	live := s.live[a.ref]
	if live == nil {
		st := state{line: a.group.Name + ": not there yet"}
		k, _, err := dereference(a.ref)
		if since, watching := s.watched[k.name]; err == nil && watching && now.Sub(since) > vanished {
			st.trouble = &trouble{group: a.group.Name, reason: "Missing", message: a.ref + " is not there; somebody has deleted it"}
		}
		return st
	}
	var st state
	switch a.group.Identity {
	case topology.Stable:
		st = s.judgeStatefulSet(a, typed[appsv1.StatefulSet](live), now)
	case topology.ToCompletion:
		st = s.judgeJob(a, typed[batchv1.Job](live), now)
	default:
		st = s.judgeDeployment(a, typed[appsv1.Deployment](live), now)
	}
	if !st.done && st.trouble == nil {
		st.trouble = s.podTrouble(a, now)
	}
	if st.trouble != nil {
		st.trouble.group = a.group.Name
	}
	return st
}

// vanished is how long a workload may be absent from a watch that has begun.
const vanished = 5 * time.Second

func (s *scene) judgeDeployment(a *actor, d *appsv1.Deployment, now time.Time) state {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	seen := d.Status.ObservedGeneration >= d.Generation
	st := state{line: fmt.Sprintf("%s: %d/%d ready", a.group.Name, s.readyOf(a), want)}
	st.done = seen && d.Status.UpdatedReplicas == want && d.Status.Replicas == want && d.Status.AvailableReplicas == want
	if st.done {
		st.line = fmt.Sprintf("%s: %d/%d ready", a.group.Name, want, want)
	}
	if st.done || !seen {
		return st
	}
	for _, c := range d.Status.Conditions {
		switch {
		case c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" &&
			(s.recent(c.LastUpdateTime.Time) || now.Sub(s.begun) > time.Duration(number(d.Spec.ProgressDeadlineSeconds))*time.Second):
			st.trouble = &trouble{reason: c.Reason, message: c.Message + s.unready(a), about: d.UID}
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			patience := createPatience
			if !s.recent(c.LastUpdateTime.Time) {
				patience = stalePatience
			}
			if s.lasted(a.ref+"FailedCreate", now) >= patience {
				return state{line: st.line, trouble: &trouble{reason: "FailedCreate", message: c.Message, about: d.UID}}
			}
		}
	}
	return st
}

func (s *scene) judgeStatefulSet(a *actor, d *appsv1.StatefulSet, now time.Time) state {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	ready := s.readyOf(a)
	st := state{line: fmt.Sprintf("%s: %d/%d ready", a.group.Name, ready, want)}
	st.done = d.Status.ObservedGeneration >= d.Generation && d.Status.Replicas == want && d.Status.UpdatedReplicas == want && d.Status.AvailableReplicas == want
	if st.done {
		st.line = fmt.Sprintf("%s: %d/%d ready", a.group.Name, want, want)
		return st
	}
	if t := s.failedCreate(d.UID, now); t != nil {
		st.trouble = t
		return st
	}
	// A StatefulSet has no deadline of its own.
	counts := fmt.Sprint(ready, d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas)
	if m, known := s.moved[a.ref]; !known || m.state != counts {
		s.moved[a.ref] = mark{state: counts, at: now}
	}
	limit := time.Duration(a.group.Update.ProgressSeconds) * time.Second
	if limit > 0 && now.Sub(s.moved[a.ref].at) > limit {
		st.trouble = &trouble{reason: "ProgressDeadlineExceeded", message: fmt.Sprintf("no progress for %s", limit) + s.unready(a), about: d.UID}
	}
	return st
}

func (s *scene) judgeJob(a *actor, j *batchv1.Job, now time.Time) state {
	want := int32(1)
	if j.Spec.Completions != nil {
		want = *j.Spec.Completions
	}
	st := state{line: fmt.Sprintf("%s: %d/%d succeeded", a.group.Name, j.Status.Succeeded, want)}
	for _, c := range j.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			st.done = true
		case c.Type == batchv1.JobFailed || c.Type == batchv1.JobFailureTarget:
			st.trouble = s.failedRun(a)
			st.trouble.reason, st.trouble.message, st.trouble.about = c.Reason, c.Message+suffix(st.trouble.message), j.UID
		}
	}
	if !st.done && st.trouble == nil {
		st.trouble = s.failedCreate(j.UID, now)
	}
	return st
}

func suffix(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// failedRun is the last Pod of a Job that failed.
func (s *scene) failedRun(a *actor) *trouble {
	out := &trouble{}
	for _, p := range s.newest(a) {
		if p.Status.Phase != corev1.PodFailed || out.pod != nil && p.CreationTimestamp.Before(&out.pod.CreationTimestamp) {
			continue
		}
		out.pod = p
		for _, c := range p.Status.ContainerStatuses {
			if end := c.State.Terminated; end != nil && end.ExitCode != 0 {
				out.container = c.Name
				out.message = ended(end)
			}
		}
	}
	return out
}

// failedCreate tells why a workload cannot make Pods: a quota, a webhook, a missing priority class.
func (s *scene) failedCreate(workload types.UID, now time.Time) *trouble {
	var last *corev1.Event
	for _, ev := range s.failedCreates {
		if ev.InvolvedObject.UID == workload && s.recent(when(ev)) && (last == nil || when(last).Before(when(ev))) {
			last = ev
		}
	}
	if last == nil || s.lasted(string(workload)+"FailedCreate", now) < createPatience {
		return nil
	}
	return &trouble{reason: "FailedCreate", message: last.Message, about: workload}
}

// unbalanced services have no address of a load balancer yet.
func (s *scene) unbalanced() []string {
	var out []string
	for _, ref := range s.balanced {
		live := s.live[ref]
		if live == nil {
			out = append(out, ref)
			continue
		}
		if svc := typed[corev1.Service](live); svc == nil || len(svc.Status.LoadBalancer.Ingress) == 0 {
			out = append(out, live.GetName()+": waiting for a load balancer")
		}
	}
	return out
}

func (s *scene) readyOf(a *actor) int {
	n := 0
	for _, p := range s.newest(a) {
		if podReady(p) {
			n++
		}
	}
	return n
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
