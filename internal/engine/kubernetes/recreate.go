package kubernetes

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// rigid tells whether a StatefulSet was refused because it may not change in that way: its claim templates, mostly.
func rigid(o *Object, err error) bool {
	var rejected *engine.RejectedError
	return o.GetKind() == "StatefulSet" && errors.As(err, &rejected) && apierrors.IsInvalid(rejected.Err) &&
		strings.Contains(rejected.Reason, "updates to statefulset spec for fields other than")
}

// recreate an object without its Pods: they stay, and the new one takes them over.
func (c *client) recreate(ctx context.Context, o *Object, force bool) (*Object, error) {
	live, err := c.get(ctx, o)
	if err != nil {
		return nil, err
	}
	if live != nil {
		on, err := c.on(o)
		if err != nil {
			return nil, err
		}
		err = on.Delete(ctx, o.GetName(), metav1.DeleteOptions{
			PropagationPolicy: new(metav1.DeletePropagationOrphan), Preconditions: metav1.NewUIDPreconditions(string(live.GetUID())),
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, c.refused(o, err)
		}
		if err := c.gone(ctx, live); err != nil {
			return nil, err
		}
		if !hasReplicas(o) { // an autoscaler's number survives
			o = o.DeepCopy()
			spec, _ := o.Object["spec"].(map[string]any)
			liveSpec, _ := live.Object["spec"].(map[string]any)
			spec["replicas"] = liveSpec["replicas"]
		}
	}
	return c.apply(ctx, o, force)
}

// deleteStrays removes Pods that nobody owns: those whose StatefulSet was about to be made again when the provider died.
func (c *client) deleteStrays(ctx context.Context, namespace, selector string) error {
	on := c.dynamic.Resource(pods).Namespace(namespace)
	list, err := on.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return c.explain(err)
	}
	for i := range list.Items {
		p := &list.Items[i]
		if len(p.GetOwnerReferences()) > 0 {
			continue
		}
		err := on.Delete(ctx, p.GetName(), metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.GetUID()))})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return c.refused(p, err)
		}
	}
	return nil
}
