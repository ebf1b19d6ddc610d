package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

var dawn = time.Unix(1_000_000, 0)

// setting is a scene of a topology, with its live objects as they were applied.
func setting(t *testing.T, in *topology.Topology) (*scene, *actor, *Object) {
	objects, err := Translate(in, Options{})
	require.NoError(t, err)
	s := newScene(in, objects, dawn)
	require.NotEmpty(t, s.actors)
	a := &s.actors[0]
	for _, o := range objects {
		if reference(o) == a.ref {
			k, _, err := dereference(a.ref)
			require.NoError(t, err)
			s.take(change{resource: k.resource(), fresh: true}, dawn)
			s.take(change{resource: k.resource(), object: o}, dawn)
			return s, a, o
		}
	}
	t.Fatal("no workload")
	return nil, nil, nil
}

// with replaces the status of the live object.
func (s *scene) with(o *Object, status map[string]any) {
	live := o.DeepCopy()
	live.SetGeneration(2)
	live.SetUID("workload")
	live.Object["status"] = status
	s.live[reference(o)] = live
}

func (s *scene) addPod(a *actor, name string, status corev1.PodStatus) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID(name), Labels: map[string]string{labelGroup: a.group.Name, labelRevision: a.revision},
	}, Status: status}
	p.Spec.NodeName = "node1"
	s.pods[p.UID] = p
	return p
}

var ready = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}

func TestDeploymentsAreJudgedByTheirNewestRevision(t *testing.T) {
	full := appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2}
	for _, c := range []struct {
		name   string
		status func(*appsv1.DeploymentStatus)
		done   bool
		reason string
	}{
		{"all are updated and available", func(*appsv1.DeploymentStatus) {}, true, ""},
		{"the controller has not seen the newest generation", func(s *appsv1.DeploymentStatus) { s.ObservedGeneration = 1 }, false, ""},
		{"an old replica is still there", func(s *appsv1.DeploymentStatus) { s.Replicas = 3 }, false, ""},
		{"one is not updated", func(s *appsv1.DeploymentStatus) { s.UpdatedReplicas = 1 }, false, ""},
		{"one is not available", func(s *appsv1.DeploymentStatus) { s.AvailableReplicas = 1 }, false, ""},
		{"the deadline has passed", func(s *appsv1.DeploymentStatus) {
			s.AvailableReplicas = 1
			s.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", LastUpdateTime: metav1.NewTime(dawn)}}
		}, false, "ProgressDeadlineExceeded"},
		{"the deadline has passed before, and this wait has its own", func(s *appsv1.DeploymentStatus) {
			s.AvailableReplicas = 1
			s.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", LastUpdateTime: metav1.NewTime(dawn.Add(-time.Hour))}}
		}, false, ""},
		{"the deadline of the former generation has passed", func(s *appsv1.DeploymentStatus) {
			s.ObservedGeneration = 1
			s.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}}
		}, false, ""},
		{"replicas cannot be made", func(s *appsv1.DeploymentStatus) {
			s.UpdatedReplicas = 0
			s.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota", LastUpdateTime: metav1.NewTime(dawn)}}
		}, false, "FailedCreate"},
		{"replicas could not be made before this wait", func(s *appsv1.DeploymentStatus) {
			s.UpdatedReplicas = 0
			s.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", LastUpdateTime: metav1.NewTime(dawn.Add(-time.Hour))}}
		}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, a, o := setting(t, logSaver())
			status := *full.DeepCopy()
			c.status(&status)
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
			require.NoError(t, err)
			s.with(o, content)
			s.judge(a, dawn)
			st := s.judge(a, dawn.Add(createPatience))
			assert.Equal(t, c.done, st.done)
			if c.reason == "" {
				assert.Nil(t, st.trouble)
				return
			}
			require.NotNil(t, st.trouble)
			assert.Equal(t, c.reason, st.trouble.reason)
			assert.Equal(t, "main", st.trouble.group)
		})
	}
}

func TestAStatefulSetHasADeadlineOfOurs(t *testing.T) {
	in := stable()
	in.Groups[0].Update.ProgressSeconds = 60
	s, a, o := setting(t, in)
	s.with(o, map[string]any{"observedGeneration": int64(2), "replicas": int64(3)})
	assert.Nil(t, s.judge(a, dawn).trouble)
	assert.Nil(t, s.judge(a, dawn.Add(59*time.Second)).trouble)
	s.addPod(a, "web-shard-0", corev1.PodStatus{Conditions: ready})
	st := s.judge(a, dawn.Add(61*time.Second))
	assert.Nil(t, st.trouble, "there was progress")
	assert.Equal(t, "shard: 1/3 ready", st.line)
	st = s.judge(a, dawn.Add(122*time.Second))
	require.NotNil(t, st.trouble)
	assert.Equal(t, "ProgressDeadlineExceeded", st.trouble.reason)
}

func TestAWorkloadThatIsGoneIsMissed(t *testing.T) {
	s, a, o := setting(t, minimal())
	s.take(change{resource: gvr("apps/v1", "deployments"), object: o, gone: true}, dawn)
	assert.Nil(t, s.judge(a, dawn.Add(time.Second)).trouble)
	st := s.judge(a, dawn.Add(time.Minute))
	require.NotNil(t, st.trouble)
	assert.Equal(t, "Missing", st.trouble.reason)
}

func TestJobsAreJudgedByTheirConditions(t *testing.T) {
	s, a, o := setting(t, toCompletion())
	s.with(o, map[string]any{"succeeded": int64(0)})
	assert.Nil(t, s.judge(a, dawn).trouble)
	s.addPod(a, "web-one-x", corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{
		{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}}},
	}})
	s.with(o, map[string]any{"conditions": []any{map[string]any{"type": string(batchv1.JobFailed), "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}}})
	st := s.judge(a, dawn)
	require.NotNil(t, st.trouble)
	assert.Equal(t, "BackoffLimitExceeded", st.trouble.reason)
	assert.Equal(t, "too often: exit code 3", st.trouble.message)
	assert.Equal(t, "web", st.trouble.container)
	s.with(o, map[string]any{"succeeded": int64(1), "conditions": []any{map[string]any{"type": string(batchv1.JobComplete), "status": "True"}}})
	assert.True(t, s.judge(a, dawn).done)
}

func TestPodsGetTimeWhereTimeMayHeal(t *testing.T) {
	waiting := func(reason string, restarts int32, last *corev1.ContainerStateTerminated) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "web", RestartCount: restarts, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}},
			LastTerminationState: corev1.ContainerState{Terminated: last},
		}}}
	}
	unscheduled := func(message string) corev1.PodStatus {
		return corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message}}}
	}
	never := time.Hour
	for _, c := range []struct {
		name   string
		status corev1.PodStatus
		after  time.Duration
		reason string
	}{
		{"a container that ended twice may still come up", waiting("CrashLoopBackOff", 1, &corev1.ContainerStateTerminated{ExitCode: 1}), never, ""},
		{"a container that ended three times does not", waiting("CrashLoopBackOff", 2, &corev1.ContainerStateTerminated{ExitCode: 1}), 0, "CrashLoopBackOff"},
		{"too little memory once is too little memory", waiting("CrashLoopBackOff", 1, &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}), 0, "OOMKilled"},
		{"a registry may hiccup", waiting("ErrImagePull", 0, nil), never, ""},
		{"a registry that says no twice means it", waiting("ImagePullBackOff", 0, nil), pullPatience, "ImagePullBackOff"},
		{"a bad name stays bad", waiting("InvalidImageName", 0, nil), 0, "InvalidImageName"},
		{"a secret may be on its way", waiting("CreateContainerConfigError", 0, nil), configPatience, "CreateContainerConfigError"},
		{"room may be made", unscheduled("0/1 nodes are available"), schedulePatience, "Unschedulable"},
		{"a volume may be on its way", unscheduled("pod has unbound immediate PersistentVolumeClaims"), claimPatience, "Unschedulable"},
		{"a mount that lasts is asked about", func() corev1.PodStatus {
			s := waiting("ContainerCreating", 0, nil)
			s.Phase = corev1.PodPending
			return s
		}(), mountPatience, suspectMount},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, a, _ := setting(t, minimal())
			s.addPod(a, "web-1", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "web"}}})
			require.Nil(t, s.podTrouble(a, dawn.Add(-time.Second)))
			s.addPod(a, "web-1", c.status)
			if c.after > 0 {
				require.Nil(t, s.podTrouble(a, dawn))
				require.Nil(t, s.podTrouble(a, dawn.Add(c.after-time.Second)))
			}
			got := s.podTrouble(a, dawn.Add(c.after))
			if c.reason == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			assert.Equal(t, c.reason, got.reason)
		})
	}
	t.Run("a container that ended often before the wait is given one more try", func(t *testing.T) {
		s, a, _ := setting(t, minimal())
		s.addPod(a, "web-1", waiting("CrashLoopBackOff", 7, &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}))
		require.Nil(t, s.podTrouble(a, dawn))
		s.addPod(a, "web-1", waiting("CrashLoopBackOff", 8, &corev1.ContainerStateTerminated{ExitCode: 1}))
		require.NotNil(t, s.podTrouble(a, dawn))
	})
	t.Run("pods of an older revision and those that end do not count", func(t *testing.T) {
		s, a, _ := setting(t, minimal())
		old := s.addPod(a, "old", waiting("InvalidImageName", 0, nil))
		old.Labels[labelRevision] = "former"
		leaving := s.addPod(a, "leaving", waiting("InvalidImageName", 0, nil))
		leaving.DeletionTimestamp = &metav1.Time{Time: dawn}
		assert.Nil(t, s.podTrouble(a, dawn))
	})
}

func TestOnlyMountsOfWhatDoesNotExistAreHopeless(t *testing.T) {
	event := func(reason, message string) *corev1.Event { return &corev1.Event{Reason: reason, Message: message} }
	missing := event("FailedMount", `secret "a" not found`)
	for _, c := range []struct {
		name   string
		events []*corev1.Event
		want   string
	}{
		{"nothing failed", []*corev1.Event{event("Scheduled", "")}, ""},
		{"a secret is missing", []*corev1.Event{event("Scheduled", ""), missing}, missing.Message},
		{"a secret was missing, and an image is being fetched", []*corev1.Event{missing, event("Pulling", "")}, ""},
		{"a volume is held elsewhere", []*corev1.Event{event("FailedAttachVolume", "Multi-Attach error"), event("FailedMount", "timed out")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, missingMount(c.events)) })
	}
}
