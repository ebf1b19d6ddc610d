package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// annotationConfigs on a Pod is the digest of the watched files that it has been told of.
const annotationConfigs = topology.LabelPrefix + "configs"

// watchedConfigs are the ConfigMaps that Pods read without a restart.
func watchedConfigs(objects []*Object) []*Object {
	var out []*Object
	for _, o := range objects {
		if _, immutable := o.Object["immutable"]; o.GetKind() == "ConfigMap" && !immutable {
			out = append(out, o)
		}
	}
	return out
}

// tellPods makes a change of watched files reach its readers at once. A kubelet looks at a Pod's files once a minute or
// so, but also whenever the Pod changes; so each Pod is given an annotation. Who may not write Pods waits for the minute.
func (a *application) tellPods(ctx context.Context) error {
	contents := map[string]any{}
	changed := false
	for _, o := range watchedConfigs(a.objects) {
		contents[o.GetName()] = o.Object["data"]
		live := a.live[reference(o)]
		changed = changed || live != nil && !reflect.DeepEqual(live.Object["data"], o.Object["data"])
	}
	if !changed {
		return nil
	}
	on := a.dynamic.Resource(pods).Namespace(a.t.Namespace)
	list, err := on.List(ctx, metav1.ListOptions{LabelSelector: instanceSelector(a.t.Key())})
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return a.explain(fmt.Errorf("list the Pods of %s/%s: %w", a.t.Namespace, a.t.Name, err))
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotationConfigs: digest(contents)}}})
	if err != nil {
		return err
	}
	for i := range list.Items {
		if _, err := on.Patch(ctx, list.Items[i].GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager}); err != nil {
			continue // it has ended meanwhile, or is not ours to write
		}
	}
	return nil
}
