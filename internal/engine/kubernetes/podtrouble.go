package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// How long a state that may heal must last before it counts as trouble.
const (
	// pullPatience covers a registry's hiccup: ImagePullBackOff comes after the second failed attempt.
	pullPatience = 5 * time.Second
	// configPatience covers a Secret that another resource is about to make.
	configPatience = 10 * time.Second
	// schedulePatience covers a scheduler that has yet to see freed room; claimPatience one that waits for a volume.
	schedulePatience = 12 * time.Second
	claimPatience    = 30 * time.Second
	// mountPatience is after which a Pod without started containers is asked for failed mounts.
	mountPatience = 20 * time.Second
	// createPatience covers room in a quota that is just being freed; stalePatience a failure that is older than the wait,
	// and that the cluster has yet to try again.
	createPatience = 3 * time.Second
	stalePatience  = time.Minute
	// enoughRestarts make a crash loop: the container has ended three times.
	enoughRestarts = 2
)

// podTrouble finds the first Pod of the newest revision that will not become ready.
func (s *scene) podTrouble(a *actor, now time.Time) *trouble {
	all := s.newest(a)
	slices.SortFunc(all, func(p, q *corev1.Pod) int { return strings.Compare(p.Name, q.Name) })
	for _, p := range all {
		if t := s.unscheduled(p, now); t != nil {
			return t
		}
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if t := s.containerTrouble(p, &c, now); t != nil {
				t.pod, t.about, t.container = p, p.UID, c.Name
				return t
			}
		}
		if t := s.unmounted(p, now); t != nil {
			return t
		}
	}
	return nil
}

func (s *scene) unscheduled(p *corev1.Pod, now time.Time) *trouble {
	for _, c := range p.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		patience := schedulePatience
		if strings.Contains(c.Message, "PersistentVolumeClaim") {
			patience = claimPatience
		}
		if s.lasted(string(p.UID)+c.Reason, now) >= patience {
			return &trouble{reason: c.Reason, message: c.Message, pod: p, about: p.UID}
		}
	}
	return nil
}

func (s *scene) containerTrouble(p *corev1.Pod, c *corev1.ContainerStatus, now time.Time) *trouble {
	again := s.crashed(p.UID, c)
	w := c.State.Waiting
	if w == nil {
		return nil
	}
	lasted := func() time.Duration { return s.lasted(string(p.UID)+c.Name+w.Reason, now) }
	switch w.Reason {
	case "CrashLoopBackOff":
		t := &trouble{reason: w.Reason, message: w.Message, restarted: true}
		end := c.LastTerminationState.Terminated
		if end != nil {
			t.message = ended(end)
			if end.Reason == "OOMKilled" && again {
				t.reason = end.Reason
				return t
			}
		}
		if c.RestartCount >= enoughRestarts && again {
			return t
		}
	case "InvalidImageName", "ErrImageNeverPull":
		return &trouble{reason: w.Reason, message: w.Message}
	case "ImagePullBackOff":
		if lasted() >= pullPatience {
			return &trouble{reason: w.Reason, message: w.Message}
		}
	case "CreateContainerConfigError", "CreateContainerError":
		// The kubelet's own look for a secret has timed out: the next one will tell.
		if lasted() >= configPatience && !strings.Contains(w.Message, "timed out waiting for the condition") {
			return &trouble{reason: w.Reason, message: w.Message}
		}
	}
	return nil
}

// ended says how a container's run did.
func ended(end *corev1.ContainerStateTerminated) string {
	s := fmt.Sprintf("exit code %d", end.ExitCode)
	if end.Reason != "" && end.Reason != "Error" && end.Reason != "Completed" {
		s += " (" + end.Reason + ")"
	}
	if m := strings.TrimSpace(end.Message); m != "" {
		s += ": " + m
	}
	return s
}

// unmounted is a Pod whose containers have not begun for long. Only its events can tell whether a mount fails, so this
// trouble is a suspicion that those who read them must confirm.
func (s *scene) unmounted(p *corev1.Pod, now time.Time) *trouble {
	if p.Spec.NodeName == "" || p.Status.Phase != corev1.PodPending {
		return nil
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.State.Running != nil || c.State.Terminated != nil || c.State.Waiting != nil && c.State.Waiting.Reason != "ContainerCreating" && c.State.Waiting.Reason != "PodInitializing" {
			return nil
		}
	}
	if s.lasted(string(p.UID)+"unmounted", now) < mountPatience {
		return nil
	}
	return &trouble{reason: suspectMount, pod: p, about: p.UID}
}

// suspectMount is the reason of the suspicion, and of the events that confirm it.
const suspectMount = "FailedMount"

// unready says of each Pod of the newest revision what it lacks.
func (s *scene) unready(a *actor) string {
	var out []string
	for _, p := range s.newest(a) {
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			switch {
			case c.State.Waiting != nil && c.State.Waiting.Reason != "PodInitializing":
				out = append(out, fmt.Sprintf("%s: container %q waits (%s)", p.Name, c.Name, c.State.Waiting.Reason))
			case c.State.Running != nil && !c.Ready:
				out = append(out, fmt.Sprintf("%s: container %q runs and is not ready", p.Name, c.Name))
			}
		}
	}
	if len(out) == 0 {
		return ""
	}
	slices.Sort(out)
	return "; " + strings.Join(out, "; ")
}

// lagging is a container to blame when time is up: the first that runs and is not ready.
func (s *scene) lagging(a *actor) *trouble {
	all := s.newest(a)
	slices.SortFunc(all, func(p, q *corev1.Pod) int { return strings.Compare(p.Name, q.Name) })
	for _, p := range all {
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if c.State.Running != nil && !c.Ready {
				return &trouble{container: c.Name, pod: p, about: p.UID}
			}
		}
		if !podReady(p) {
			return &trouble{pod: p, about: p.UID}
		}
	}
	return &trouble{}
}
