package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// fitClaims makes the claims of stable groups that are there already as large as their templates say. A StatefulSet takes
// a claim of the right name for its own however small it is, and says nothing.
func (a *application) fitClaims(ctx context.Context) error {
	templates := claimTemplates(a.t)
	if len(templates) == 0 {
		return nil
	}
	on := a.dynamic.Resource(claims).Namespace(a.t.Namespace)
	list, err := again(ctx, func() (*unstructured.UnstructuredList, error) {
		return on.List(ctx, metav1.ListOptions{LabelSelector: instanceSelector(a.t.Key())})
	})
	if err != nil {
		return a.explain(fmt.Errorf("list the persistent volume claims of %s/%s: %w", a.t.Namespace, a.t.Name, err))
	}
	for i := range list.Items {
		o := &list.Items[i]
		for prefix, spec := range templates {
			if !ofTemplate(o.GetName(), []string{prefix}) {
				continue
			}
			patch, err := fit(typed[corev1.PersistentVolumeClaim](o), spec)
			if err != nil {
				return &engine.RejectedError{Object: describe(o), Reason: err.Error(), Err: err}
			}
			if patch == nil {
				continue
			}
			if _, err := on.Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager}); err != nil {
				return a.refused(o, err)
			}
		}
	}
	return nil
}

// claimTemplates by how the names of their claims begin.
func claimTemplates(t *topology.Topology) map[string]corev1.PersistentVolumeClaimSpec {
	out := map[string]corev1.PersistentVolumeClaimSpec{}
	for i := range t.Groups {
		g := &t.Groups[i]
		if g.Identity != topology.Stable {
			continue
		}
		for _, c := range ownClaims(t, g) {
			out[c.Name+"-"+ObjectName(t.Name, g.Name)] = c.Spec
		}
	}
	return out
}

// fit says how a claim must be patched to be as its template says, or why it cannot be.
func fit(live *corev1.PersistentVolumeClaim, want corev1.PersistentVolumeClaimSpec) ([]byte, error) {
	if live == nil {
		return nil, nil
	}
	way := fmt.Sprintf("its data was kept; to begin anew, delete the claim (kubectl -n %s delete persistentvolumeclaim %s)", live.Namespace, live.Name)
	if c := live.Spec.StorageClassName; want.StorageClassName != nil && c != nil && *c != *want.StorageClassName {
		return nil, fmt.Errorf("it is of the class %q, not %q; %s", *c, *want.StorageClassName, way)
	}
	has, wants := live.Spec.Resources.Requests[corev1.ResourceStorage], want.Resources.Requests[corev1.ResourceStorage]
	switch wants.Cmp(has) {
	case 0:
		return nil, nil
	case -1:
		return nil, fmt.Errorf("it has %s and cannot shrink to %s; %s", &has, &wants, way)
	}
	if strings.TrimSpace(live.Spec.VolumeName) == "" {
		return nil, nil // not made yet; the API would refuse, and the next apply comes back to it
	}
	return json.Marshal(map[string]any{"spec": map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": wants.String()}}}})
}
