package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

func TestAnInstanceIsSummedUpInAWord(t *testing.T) {
	status := func(updated, ready, all int64) map[string]any {
		return map[string]any{"observedGeneration": int64(2), "replicas": all, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready}
	}
	for _, c := range []struct {
		name    string
		status  map[string]any
		phase   string
		message string
	}{
		{"all replicas are ready", status(2, 2, 2), "ready", ""},
		{"an update is under way", status(1, 2, 3), "progressing", "main: 1 of 2 replicas are updated, 2 ready"},
		{"a replica is not ready", status(2, 1, 2), "degraded", "main: 1 of 2 replicas are ready"},
		{"replicas cannot be made", map[string]any{"observedGeneration": int64(2), "conditions": []any{
			map[string]any{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"},
		}}, "degraded", "main: FailedCreate: exceeded quota"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := logSaver()
			s, a, o := setting(t, in)
			s.with(o, c.status)
			objects, err := Translate(in, Options{})
			require.NoError(t, err)
			out := &engine.Observation{Groups: map[string]engine.GroupStatus{}}
			summarize(out, newScene(in, objects, time.Time{}), map[string]*Object{a.ref: s.live[a.ref]}, objects[0])
			assert.Equal(t, c.phase, out.Phase)
			assert.Equal(t, c.message, out.Message)
			assert.Equal(t, 2, out.Groups["main"].Desired)

			objects[0].SetDeletionTimestamp(&metav1.Time{Time: dawn})
			summarize(out, newScene(in, objects, time.Time{}), nil, objects[0])
			assert.Equal(t, "deleting", out.Phase)
		})
	}
	t.Run("a workload that is gone", func(t *testing.T) {
		in := minimal()
		objects, err := Translate(in, Options{})
		require.NoError(t, err)
		out := &engine.Observation{Groups: map[string]engine.GroupStatus{}}
		summarize(out, newScene(in, objects, time.Time{}), nil, objects[0])
		assert.Equal(t, "degraded", out.Phase)
		assert.Equal(t, "main: apps/v1/Deployment/web is missing", out.Message)
	})
}
