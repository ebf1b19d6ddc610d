package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestValuesAreWrittenOnlyWithANewVersion(t *testing.T) {
	live := &Object{Object: map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationValues: "1"}},
		"data":     map[string]any{"password": "b2xk"},
	}}
	for _, c := range []struct {
		name   string
		secret topology.Secret
		holds  bool
	}{
		{"the same version", topology.Secret{Version: "1", Values: map[string]string{"password": "new"}}, true},
		{"another version", topology.Secret{Version: "2", Values: map[string]string{"password": "new"}}, false},
		{"a key that is not there yet", topology.Secret{Version: "1", Values: map[string]string{"name": "new"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.holds, holds(live, &c.secret)) })
	}
	assert.False(t, holds(nil, &topology.Secret{Version: "1"}))
}

func TestValuesAreNotNotedAfterARollback(t *testing.T) {
	live := &Object{Object: map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationValues: "2"}}}}
	for _, c := range []struct {
		name   string
		secret topology.Secret
		want   string
	}{
		{"values are written", topology.Secret{Version: "3", Values: map[string]string{"k": "v"}}, "3"},
		{"the same version, without values", topology.Secret{Version: "2"}, "2"},
		{"a former version, without values", topology.Secret{Version: "1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Object{Object: map[string]any{}}
			annotateValues(o, live, &c.secret)
			assert.Equal(t, c.want, o.GetAnnotations()[annotationValues])
		})
	}
}

func TestDriftShowsNoVariablesAndNoFiles(t *testing.T) {
	for path, want := range map[string]bool{
		`.spec.template.spec.containers[name="main"].env[name="PASSWORD"].value`: true,
		`.spec.template.spec.containers[name="main"].env`:                        true,
		`.spec.template.spec.containers[name="main"]`:                            true,
		`.spec.template.spec.containers[name="main"].image`:                      false,
		`.spec.template.spec.containers[name="main"].args[0]`:                    false,
		`.spec.replicas`: false,
	} {
		assert.Equal(t, want, confidential("Deployment", path), path)
	}
	assert.True(t, confidential("ConfigMap", `.data["a.txt"]`))
	assert.NotContains(t, concealed("hunter2"), "hunter2")
	assert.NotEqual(t, concealed("a"), concealed("b"))
}
