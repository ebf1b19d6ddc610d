package kubernetes

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Object of the Kubernetes API, with just the fields that this project owns.
type Object = unstructured.Unstructured

// Options of a translation.
type Options struct {
	// Namespace of a topology that names none. Empty leaves it out.
	Namespace string
}

// Translate says what a topology is in Kubernetes, in the order of application: first the record of the instance, which
// owns the rest. It is pure: equal topologies give equal objects. Secret values and owner references are not in it;
// both are known only while it is applied.
func Translate(t *topology.Topology, o Options) ([]*Object, error) {
	revision := t.Revision() // the caller's own, whatever the namespace is by default
	t = withEndpoints(placed(t, o.Namespace))
	var typed []any
	for i := range t.Configs {
		typed = append(typed, configMap(t, &t.Configs[i]))
	}
	for i := range t.Secrets {
		typed = append(typed, secret(t, &t.Secrets[i]))
	}
	for i := range t.Groups {
		parts, err := group(t, &t.Groups[i])
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", t.Groups[i].Name, err)
		}
		typed = append(typed, parts...)
	}
	var objects []*Object
	for _, x := range typed {
		o, err := plain(x)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	slices.SortStableFunc(objects, func(a, b *Object) int { return rank(a) - rank(b) })
	record, err := plain(record(t, revision, references(objects)))
	if err != nil {
		return nil, err
	}
	return append([]*Object{record}, objects...), nil
}

// placed is the topology in the namespace where it will be.
func placed(t *topology.Topology, namespace string) *topology.Topology {
	if t.Namespace != "" || namespace == "" {
		return t
	}
	copied := *t
	copied.Namespace = namespace
	return &copied
}

func group(t *topology.Topology, g *topology.Group) ([]any, error) {
	out, err := grants(t, g)
	if err != nil {
		return nil, err
	}
	if g.Identity != topology.Stable {
		for _, c := range ownClaims(t, g) {
			out = append(out, &c)
		}
	}
	out = append(out, services(t, g)...)
	budget, err := disruptionBudget(t, g)
	if err != nil {
		return nil, err
	}
	if budget != nil {
		out = append(out, budget)
	}
	w, err := workload(t, g)
	if err != nil {
		return nil, err
	}
	return append(out, w), nil
}

func meta(t *topology.Topology, group, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: t.Namespace, Labels: labels(t, group), Annotations: maps.Clone(t.Annotations)}
}

func references(objects []*Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, reference(o))
	}
	return out
}

// plain turns a typed object into what is sent: no status, no nulls, and no empty structs that only Go's types put there.
func plain(typed any) (*Object, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, fmt.Errorf("convert %T: %w", typed, err)
	}
	delete(content, "status")
	tidy(content)
	return &Object{Object: content}, nil
}

// hollow fields are structs that have no pointer in the Go types; empty they say nothing.
var hollow = map[string]bool{"resources": true, "strategy": true, "updateStrategy": true, "status": true, "metadata": true, "spec": true}

func tidy(x any) {
	switch x := x.(type) {
	case map[string]any:
		for k, v := range x {
			tidy(v)
			m, isMap := v.(map[string]any)
			if v == nil || isMap && len(m) == 0 && hollow[k] {
				delete(x, k)
			}
		}
	case []any:
		for _, v := range x {
			tidy(v)
		}
	}
}
