//go:build engine

package kubernetes

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/inclustertest"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// rig is a namespace with a StatefulSet, and the service account of a server that may scale it and do nothing else.
type rig struct{ *inclustertest.Rig }

// objects are those that the provider makes for workers and for the grant to scale them.
const objects = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: work-resize}
spec:
  replicas: 0
  serviceName: work-resize
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: work-resize}}
  template:
    metadata: {labels: {app: work-resize}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: "engines.invalid/pause:1", imagePullPolicy: Never}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: work-queue}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: work-queue}
rules:
- {apiGroups: [apps], resources: [statefulsets], resourceNames: [work-resize], verbs: [get]}
- {apiGroups: [apps], resources: [statefulsets/scale], resourceNames: [work-resize], verbs: [get, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: work-queue}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: work-queue}
subjects: [{kind: ServiceAccount, name: work-queue}]
`

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{inclustertest.New(t, objects, "work-queue")}
}

func (r *rig) pods() []string {
	return strings.Fields(r.Kubectl("", "get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
}

func (r *rig) engine() *Engine {
	e, err := New(map[string]string{"resize": "work-resize", "other": "work-other"}, r.Account)
	require.NoError(r, err)
	return e
}

func TestScalesByTheServiceAccount(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	e := r.engine()
	n, err := e.Replicas(ctx, "resize")
	require.NoError(t, err)
	require.Equal(t, 0, n)
	from := 0
	for _, c := range []struct {
		to   int
		want []string
	}{
		{3, []string{"work-resize-0", "work-resize-1", "work-resize-2"}},
		{1, []string{"work-resize-0"}},
		{0, []string{}},
	} {
		begun := time.Now()
		require.NoError(t, e.Scale(ctx, "resize", from, c.to, "as the test wants"))
		accepted := time.Since(begun)
		require.Eventually(t, func() bool { return assert.ObjectsAreEqual(c.want, r.pods()) }, 60*time.Second, 50*time.Millisecond, "%v", c.want)
		t.Logf("%d to %d: accepted after %s, so after %s", from, c.to, accepted.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
		n, err = e.Replicas(ctx, "resize")
		require.NoError(t, err)
		require.Equal(t, c.to, n)
		if c.to > 0 { // of a number that is 0, the API server notes no owner
			owner := r.Kubectl("", "get", "statefulset", "work-resize", "--show-managed-fields", "-o", `jsonpath={.metadata.managedFields[?(@.subresource=="scale")].manager}`)
			assert.Equal(t, "pattern-queue", owner, "whose number it is can be seen")
		}
		from = c.to
	}
}

func TestAPersonsNumberIsTheTruth(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	e := r.engine()
	r.Kubectl("", "scale", "statefulset", "work-resize", "--replicas=2")
	require.ErrorIs(t, e.Scale(ctx, "resize", 0, 1, ""), scale.ErrChanged)
	n, err := e.Replicas(ctx, "resize")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestTheTokenIsReadAgain(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	e := r.engine()
	r.Write("token", "expired")
	_, err := e.Replicas(ctx, "resize")
	require.ErrorContains(t, err, "401 Unauthorized")
	r.Write("token", r.Token()+"\n")
	_, err = e.Replicas(ctx, "resize")
	require.NoError(t, err)
}

func TestRefusalsAreClear(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	e := r.engine()
	_, err := e.Replicas(ctx, "other")
	assert.ErrorContains(t, err, "403 Forbidden")
	assert.ErrorContains(t, err, "needs get and patch of statefulsets/scale")
	_, err = e.Replicas(ctx, "none")
	assert.ErrorContains(t, err, "has no entry for the stage none")
	r.Kubectl("", "delete", "statefulset", "work-resize")
	_, err = e.Replicas(ctx, "resize")
	assert.ErrorContains(t, err, "have not been made yet, or were deleted")

	t.Setenv(incluster.EnvPort, "1")
	_, err = r.engine().Replicas(ctx, "resize")
	assert.ErrorContains(t, err, "connection refused")
	_, err = New(nil, t.TempDir())
	assert.ErrorContains(t, err, "no service account is mounted")
	t.Setenv(incluster.EnvHost, "")
	_, err = New(nil, r.Account)
	assert.ErrorContains(t, err, "does not run in a Pod")
}
