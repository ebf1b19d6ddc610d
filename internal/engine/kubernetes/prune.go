package kubernetes

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// prune removes what the instance had and no longer wants, except what the Pods of the former revision still need: that
// goes when the new revision is ready.
func (a *application) prune(ctx context.Context) error {
	return a.remove(ctx, a.t.Key(), stale(a.inventory, a.objects), false)
}

// stale references are in the inventory, and not among the objects.
func stale(inventory []string, objects []*Object) []string {
	wanted := references(objects)
	return slices.DeleteFunc(slices.Clone(inventory), func(ref string) bool { return slices.Contains(wanted, ref) })
}

// remove the referred objects of an instance; late says which kinds.
func (c *client) remove(ctx context.Context, key topology.Key, refs []string, late bool) error {
	for _, ref := range refs {
		k, name, err := dereference(ref)
		if err != nil || k.late != late {
			continue // a kind of another version of the provider: the owner reference will see to it
		}
		o := &Object{}
		o.SetAPIVersion(k.apiVersion)
		o.SetKind(k.name)
		o.SetNamespace(key.Namespace)
		o.SetName(name)
		if err := c.removeOne(ctx, o, key); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) removeOne(ctx context.Context, o *Object, key topology.Key) error {
	on, err := c.on(o)
	if err != nil {
		return err
	}
	live, err := c.get(ctx, o)
	if err != nil || live == nil || !ours(live, key) {
		return err // gone, or somebody else's by now
	}
	if o.GetKind() == "PersistentVolumeClaim" && live.GetLabels()[labelData] != "delete" {
		return nil // data stays
	}
	_, err = again(ctx, func() (any, error) {
		return nil, on.Delete(ctx, o.GetName(), metav1.DeleteOptions{
			PropagationPolicy: new(metav1.DeletePropagationBackground), Preconditions: metav1.NewUIDPreconditions(string(live.GetUID())),
		})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return c.refused(o, err)
	}
	return nil
}
