package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// What the record's data is called.
const (
	dataSpec      = "spec.json"
	dataInventory = "inventory"
)

// record is the one object that stands for an instance: it tells what the instance is, lists what it is made of, and
// owns all that. It is a ConfigMap, so that the provider needs no definition of its own in the cluster.
func record(t *topology.Topology, revision string, inventory []string) *corev1.ConfigMap {
	m := meta(t, "", recordName(t.Name, t.Pattern))
	m.Labels[labelRecord] = "true"
	if m.Annotations == nil {
		m.Annotations = map[string]string{}
	}
	m.Annotations[annotationRevision] = revision
	if passing := passingClaims(t); len(passing) > 0 {
		m.Annotations[annotationClaims] = strings.Join(passing, " ")
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: m,
		Data:       map[string]string{dataSpec: string(t.Spec), dataInventory: listing(inventory)},
	}
}

// listing of references, one a line.
func listing(refs []string) string {
	refs = slices.Sorted(slices.Values(refs))
	var b strings.Builder
	for _, ref := range slices.Compact(refs) {
		b.WriteString(ref + "\n")
	}
	return b.String()
}

// datum of a ConfigMap.
func datum(live *Object, key string) string {
	text, _, _ := unstructured.NestedString(live.Object, "data", key)
	return text
}

// inventory of a record as it is in the cluster.
func inventory(live *Object) []string {
	return strings.Fields(datum(live, dataInventory))
}

func complete(live *Object) bool { return live.GetAnnotations()[annotationComplete] == "true" }

// readRecord of an instance from the object that holds it.
func readRecord(live *Object) (*engine.Record, error) {
	spec := datum(live, dataSpec)
	r := &engine.Record{
		Key: topology.Key{
			Pattern: live.GetLabels()[labelPattern], Namespace: live.GetNamespace(), Name: live.GetLabels()[labelInstance],
		},
		Spec:     json.RawMessage(spec),
		Revision: live.GetAnnotations()[annotationRevision],
		Complete: complete(live),
	}
	if spec != "" && !json.Valid(r.Spec) {
		return nil, fmt.Errorf("%s: %s is not JSON; restore it, or delete the object with all that it owns", describe(live), dataSpec)
	}
	return r, nil
}

// ours tells whether an object belongs to the instance.
func ours(live *Object, key topology.Key) bool {
	l := live.GetLabels()
	return l["app.kubernetes.io/managed-by"] == Manager && l[labelPattern] == key.Pattern && l[labelInstance] == key.Name
}
