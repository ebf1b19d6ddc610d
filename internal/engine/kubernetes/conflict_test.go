package kubernetes

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

func TestConflictsNameManagersAndFields(t *testing.T) {
	o := &Object{}
	o.SetKind("Deployment")
	o.SetNamespace("shop")
	o.SetName("web")
	err := conflictOf(o, apierrors.NewApplyConflict([]metav1.StatusCause{
		{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas", Message: `conflict with "autoscaler" with subresource "scale" using apps/v1`},
		{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.paused", Message: `conflict with "kubectl" using apps/v1`},
		{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.other", Message: `conflict with "kubectl" using apps/v1`},
	}, "conflict"))
	var conflict *engine.ConflictError
	require.ErrorAs(t, err, &conflict)
	assert.Equal(t, map[string][]string{"autoscaler": {".spec.replicas"}, "kubectl": {".spec.paused", ".spec.other"}}, conflict.Fields)
	assert.Equal(t, "Deployment shop/web", conflict.Object)
}

func TestOtherErrorsAreNoConflicts(t *testing.T) {
	o := &Object{}
	assert.NoError(t, conflictOf(o, errors.New("another")))
	assert.NoError(t, conflictOf(o, apierrors.NewConflict(schema.GroupResource{Resource: "pods"}, "web", errors.New("the object has been modified"))))
}
