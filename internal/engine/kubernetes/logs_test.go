package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheNewestReplicaIsOneInWhichTheContainerRuns(t *testing.T) {
	pod := func(name string, age time.Duration, running, ends bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(dawn.Add(-age))}}
		status := corev1.ContainerStatus{Name: "main"}
		if running {
			status.State.Running = &corev1.ContainerStateRunning{}
		}
		if ends {
			p.DeletionTimestamp = &metav1.Time{Time: dawn}
		}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
		return p
	}
	for _, c := range []struct {
		name string
		all  []*corev1.Pod
		want string
	}{
		{"the last that was made", []*corev1.Pod{pod("a", 3, true, false), pod("c", 1, true, false), pod("b", 2, true, false)}, "c"},
		{"not one that is about to start", []*corev1.Pod{pod("a", 3, true, false), pod("b", 2, false, false)}, "a"},
		{"not one that is to end", []*corev1.Pod{pod("a", 3, true, false), pod("b", 2, true, true)}, "a"},
		{"unless there is no other", []*corev1.Pod{pod("a", 3, false, false), pod("b", 2, true, true)}, "b"},
		{"none", []*corev1.Pod{pod("a", 3, false, false), nil}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newestRunning(c.all, "main")
			if c.want == "" {
				assert.Nil(t, got)
				return
			}
			assert.Equal(t, c.want, got.Name)
		})
	}
}
