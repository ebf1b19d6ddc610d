//go:build engine

package kubernetes

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// pods of the namespace.
func (s *stage) pods() []corev1.Pod {
	s.Helper()
	var list corev1.PodList
	require.NoError(s, json.Unmarshal([]byte(s.kubectl("get", "pods", "-o", "json")), &list))
	return list.Items
}

// pod is the only one.
func (s *stage) pod() *corev1.Pod {
	s.Helper()
	all := s.pods()
	require.Len(s, all, 1)
	return &all[0]
}

// statuses of a Pod's containers by name.
func statuses(p *corev1.Pod) map[string]corev1.ContainerStatus {
	out := map[string]corev1.ContainerStatus{}
	for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		out[c.Name] = c
	}
	return out
}

func TestEngineStopsCompanionsAfterMainAndMainAfterTheDrain(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	g := &web.Groups[0]
	helper := s.container("helper", topology.Companion, "serve", "127.0.0.1:9090")
	helper.Ports, helper.Probes = nil, topology.Probes{}
	g.Containers = append(g.Containers, helper)
	g.Termination = topology.Termination{DrainSeconds: 3, GraceSeconds: 10}
	s.up(web)
	pod := s.pod()
	was := statuses(pod)
	assert.False(t, was["web"].State.Running.StartedAt.Before(&was["helper"].State.Running.StartedAt), "the companion is there first")

	// A finalizer keeps the Pod's last state for us to look at.
	s.kubectl("patch", "pod", pod.Name, "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/look"]}}`)
	s.kubectl("scale", "deployment", "web", "--replicas=0")
	asked := time.Now()
	var end map[string]corev1.ContainerStatus
	require.Eventually(t, func() bool {
		end = statuses(s.pod())
		return end["web"].State.Terminated != nil && end["helper"].State.Terminated != nil
	}, 30*time.Second, time.Second/4)
	web1, helper1 := end["web"].State.Terminated, end["helper"].State.Terminated
	assert.GreaterOrEqual(t, web1.FinishedAt.Sub(asked), time.Second, "main serves on while clients are sent elsewhere")
	assert.False(t, helper1.FinishedAt.Before(&web1.FinishedAt), "the companion is there to the last")
	assert.Zero(t, web1.ExitCode, "both were asked to end, and none was killed")
	assert.Zero(t, helper1.ExitCode)
	s.kubectl("patch", "pod", pod.Name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
}

func TestEngineRestartsACompanionAlone(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	helper := s.container("helper", topology.Companion, "serve", "127.0.0.1:9090")
	helper.Ports, helper.Probes = nil, topology.Probes{Liveness: &topology.Probe{
		Exec: []string{"/demo", "get", "http://127.0.0.1:1/"}, PeriodSeconds: 2, TimeoutSeconds: 1, FailureThreshold: 1, // never
	}}
	web.Groups[0].Containers = append(web.Groups[0].Containers, helper)
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	require.Eventually(t, func() bool {
		all := s.pods()
		if len(all) == 0 {
			return false
		}
		c := statuses(&all[0])
		return c["helper"].RestartCount > 0 && c["web"].Ready
	}, 30*time.Second, time.Second/4)
	assert.Zero(t, statuses(s.pod())["web"].RestartCount)
}
