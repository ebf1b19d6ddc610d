package kubernetes

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Priorities need classes, which are the cluster's own and shared by all instances. They are made where they are
// missing and stay when an instance goes, because others may use them.
const (
	classLow  = "container-patterns-low"
	classHigh = "container-patterns-high"
)

// classValues rank below and above Pods without a class, which have 0. Cluster autoscalers add no machine for Pods below
// -10, so low is above that.
var classValues = map[string]int64{classLow: -5, classHigh: 1000}

func priorityClass(g *topology.Group, x *Extras) string {
	switch {
	case x.PriorityClass != "":
		return x.PriorityClass
	case g.Priority == topology.PriorityLow:
		return classLow
	case g.Priority == topology.PriorityHigh:
		return classHigh
	}
	return ""
}

// writeClasses makes the priority classes that the groups need and that the cluster lacks. Who may not look or make them
// is told by the cluster if they are missing: it creates no Pods then.
func (a *application) writeClasses(ctx context.Context) error {
	needed := map[string]bool{}
	for i := range a.t.Groups {
		x, err := extras(&a.t.Groups[i])
		if err != nil {
			return err
		}
		needed[priorityClass(&a.t.Groups[i], &x)] = true
	}
	for _, name := range []string{classLow, classHigh} {
		if !needed[name] {
			continue
		}
		on := a.dynamic.Resource(gvr("scheduling.k8s.io/v1", "priorityclasses"))
		_, err := on.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = on.Create(ctx, class(name), metav1.CreateOptions{FieldManager: Manager})
		}
		if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsAlreadyExists(err) {
			return a.explain(err)
		}
	}
	return nil
}

func class(name string) *Object {
	return &Object{Object: map[string]any{
		"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
		"metadata":         map[string]any{"name": name, "labels": map[string]any{"app.kubernetes.io/managed-by": Manager}},
		"value":            classValues[name],
		"preemptionPolicy": map[string]string{classLow: "Never", classHigh: "PreemptLowerPriority"}[name],
		"description":      "A priority of container patterns. All instances share it.",
	}}
}
