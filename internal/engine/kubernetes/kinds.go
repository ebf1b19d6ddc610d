package kubernetes

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A kind that instances are made of. Since all are known, no discovery is needed.
type kind struct {
	apiVersion, name, plural string
	// late objects are pruned only when the newest revision is ready, because the Pods of the old one still need them. All
	// objects are, whose group is no more: see prune.
	late bool
}

// kinds in the order in which they are applied: what others refer to comes first.
var kinds = []kind{
	{apiVersion: "v1", name: "ServiceAccount", plural: "serviceaccounts", late: true},
	{apiVersion: "rbac.authorization.k8s.io/v1", name: "Role", plural: "roles", late: true},
	{apiVersion: "rbac.authorization.k8s.io/v1", name: "RoleBinding", plural: "rolebindings", late: true},
	{apiVersion: "coordination.k8s.io/v1", name: "Lease", plural: "leases", late: true},
	{apiVersion: "v1", name: "PersistentVolumeClaim", plural: "persistentvolumeclaims", late: true},
	{apiVersion: "v1", name: "ConfigMap", plural: "configmaps", late: true},
	{apiVersion: "v1", name: "Secret", plural: "secrets", late: true},
	{apiVersion: "v1", name: "Service", plural: "services"},
	{apiVersion: "policy/v1", name: "PodDisruptionBudget", plural: "poddisruptionbudgets"},
	{apiVersion: "apps/v1", name: "Deployment", plural: "deployments"},
	{apiVersion: "apps/v1", name: "StatefulSet", plural: "statefulsets"},
	{apiVersion: "batch/v1", name: "Job", plural: "jobs"},
}

var (
	configMaps = gvr("v1", "configmaps")
	claims     = gvr("v1", "persistentvolumeclaims")
	pods       = gvr("v1", "pods")
	events     = gvr("v1", "events")
	nodes      = gvr("v1", "nodes")
)

func gvr(apiVersion, plural string) schema.GroupVersionResource {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		panic(err)
	}
	return gv.WithResource(plural)
}

func (k kind) resource() schema.GroupVersionResource { return gvr(k.apiVersion, k.plural) }

// kindOf is the kind of an object, or of a reference as reference() writes it.
func kindOf(apiVersion, name string) (kind, error) {
	for _, k := range kinds {
		if k.apiVersion == apiVersion && k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("no instance has objects of kind %s %s", apiVersion, name)
}

// rank of a kind in the order of application.
func rank(o *Object) int {
	for i, k := range kinds {
		if k.apiVersion == o.GetAPIVersion() && k.name == o.GetKind() {
			return i
		}
	}
	return len(kinds)
}

// reference names an object within its namespace: "apps/v1/Deployment/web".
func reference(o *Object) string {
	return o.GetAPIVersion() + "/" + o.GetKind() + "/" + o.GetName()
}

// dereference is the inverse of reference.
func dereference(s string) (kind, string, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 3 {
		return kind{}, "", fmt.Errorf("%q is not a reference to an object", s)
	}
	n := len(parts)
	k, err := kindOf(strings.Join(parts[:n-2], "/"), parts[n-2])
	return k, parts[n-1], err
}

// describe names an object for readers: "Deployment default/web".
func describe(o *unstructured.Unstructured) string {
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}
