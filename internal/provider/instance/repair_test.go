package instance

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

func TestOnlyDriftThatThePlanHasShownIsTakenBack(t *testing.T) {
	drift := []string{
		`Deployment default/web .spec.replicas: want 1, have 3 (written by kubectl)`,
		`Deployment default/web .spec.template.spec.containers[name="main"].args[0]: want "a", have "b" (written by editor)`,
		`ConfigMap default/web-settings .data["a.txt"]: want "one", have "two" (written by editor)`,
	}
	for _, c := range []struct {
		name   string
		object string
		fields map[string][]string
		showed bool
	}{
		{"a field that was shown", "Deployment default/web", map[string][]string{"kubectl": {".spec.replicas"}}, true},
		{"a list of which a part was shown", "Deployment default/web", map[string][]string{"editor": {`.spec.template.spec.containers[name="main"].args`}}, true},
		{"a key of a map", "ConfigMap default/web-settings", map[string][]string{"editor": {".data.a.txt"}}, true},
		{"a field of another object", "Deployment default/api", map[string][]string{"kubectl": {".spec.replicas"}}, false},
		{"a field that only begins like one that was shown", "Deployment default/web", map[string][]string{"kubectl": {".spec.replicasets"}}, false},
		{"one that was shown and one that was not", "Deployment default/web", map[string][]string{"kubectl": {".spec.replicas"}, "helm": {".spec.paused"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.showed, showed(drift, &engine.ConflictError{Object: c.object, Fields: c.fields}))
		})
	}
}
