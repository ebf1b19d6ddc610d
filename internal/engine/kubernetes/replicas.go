package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func scales(o *Object) bool { return o.GetKind() == "Deployment" || o.GetKind() == "StatefulSet" }

func hasReplicas(o *Object) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "replicas")
	return found
}

// releaseReplicas gives up our ownership of the number of replicas and leaves the number. Without it, an apply that no
// longer names the field would reset it to 1 before the autoscaler has come.
func (c *client) releaseReplicas(ctx context.Context, live *Object) error {
	managed := live.GetManagedFields()
	changed := false
	for i := range managed {
		if managed[i].Manager != Manager || managed[i].FieldsV1 == nil {
			continue
		}
		without, found, err := withoutReplicas(managed[i].FieldsV1.Raw)
		if err != nil {
			return fmt.Errorf("read the managed fields of %s: %w", describe(live), err)
		}
		if found {
			managed[i].FieldsV1.Raw, changed = without, true
		}
	}
	if !changed {
		return nil
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
		{"op": "replace", "path": "/metadata/managedFields", "value": managed},
	})
	if err != nil {
		return err
	}
	on, err := c.on(live)
	if err != nil {
		return err
	}
	if _, err := on.Patch(ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: Manager}); err != nil {
		return c.refused(live, err)
	}
	return nil
}

func withoutReplicas(fields []byte) (without []byte, found bool, err error) {
	d := json.NewDecoder(bytes.NewReader(fields))
	var all map[string]any
	if err := d.Decode(&all); err != nil {
		return nil, false, err
	}
	spec, _ := all["f:spec"].(map[string]any)
	if _, found = spec["f:replicas"]; !found {
		return fields, false, nil
	}
	delete(spec, "f:replicas")
	without, err = json.Marshal(all)
	return without, true, err
}
