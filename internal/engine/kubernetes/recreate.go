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

// recreate an object with its Pods; their volumes stay. Pods that were kept would stop the new set for ever: it would try
// to give them the volumes that they lack, which no Pod can take once it is there.
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
			PropagationPolicy: new(metav1.DeletePropagationForeground), Preconditions: metav1.NewUIDPreconditions(string(live.GetUID())),
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, c.refused(o, err)
		}
		if err := c.gone(ctx, live); err != nil {
			return nil, err
		}
	}
	return c.apply(ctx, o, force)
}
