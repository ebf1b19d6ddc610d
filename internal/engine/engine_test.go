package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAConflictIsToldTheSameEachTime(t *testing.T) {
	e := &ConflictError{Object: "Deployment shop/web", Fields: map[string][]string{
		"kubectl": {".spec.paused", ".spec.other"}, "autoscaler": {".spec.replicas"}, "flux": {".spec.template"}, "argo": {".metadata.labels"},
	}}
	const want = "Deployment shop/web: fields are owned by others: argo owns .metadata.labels; autoscaler owns .spec.replicas; flux owns .spec.template; kubectl owns .spec.paused, .spec.other;"
	for range 20 { // maps have no order
		assert.Equal(t, want, e.Error())
	}
}
