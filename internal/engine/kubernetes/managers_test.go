package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheLastOtherManagerOfAFieldIsNamed(t *testing.T) {
	at := func(s int64) *metav1.Time { return &metav1.Time{Time: time.Unix(s, 0)} }
	live := &Object{Object: map[string]any{}}
	live.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: Manager, Time: at(9), FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{}}}`)}},
		{Manager: "first", Time: at(1), FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{},"f:strategy":{}}}`)}},
		{Manager: "second", Time: at(2), FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{},"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}`)}},
	})
	web, other := map[string]any{"name": "web"}, map[string]any{"name": "other"}
	for _, c := range []struct {
		name string
		path []any
		want string
	}{
		{"the later of two", []any{"spec", "replicas"}, "second"},
		{"whoever owns the whole", []any{"spec", "strategy", "type"}, "first"},
		{"a field of an element", []any{"spec", "containers", web, "image"}, "second"},
		{"a field of another element", []any{"spec", "containers", other, "image"}, ""},
		{"a field of nobody's", []any{"spec", "paused"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, lastManager(live, c.path)) })
	}
}
