package kubernetes

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// prune removes what the instance had and no longer wants, except what the Pods of the former revision still need, and the
// groups that are no more: those serve until the newest revision is ready.
func (a *application) prune(ctx context.Context) error {
	for _, ref := range stale(a.inventory, a.objects) {
		k, o, known := a.referred(a.t.Key(), ref)
		if !known || k.late {
			continue
		}
		live, err := a.get(ctx, o)
		if err != nil {
			return err
		}
		if live == nil || left(a.t, live) && !inTheWay(a.t, live) {
			continue
		}
		if err := a.removeLive(ctx, live, a.t.Key()); err != nil {
			return err
		}
	}
	return nil
}

// stale references are in the inventory, and not among the objects.
func stale(inventory []string, objects []*Object) []string {
	wanted := references(objects)
	return slices.DeleteFunc(slices.Clone(inventory), func(ref string) bool { return slices.Contains(wanted, ref) })
}

// left tells whether an object is of a group that the topology has no more.
func left(t *topology.Topology, live *Object) bool {
	name := live.GetLabels()[labelGroup]
	return name != "" && !slices.ContainsFunc(t.Groups, func(g topology.Group) bool { return g.Name == name })
}

// inTheWay tells whether a group could not become ready while a workload is there: it holds a volume of one writer that
// exists by itself, and that the group wants.
func inTheWay(t *topology.Topology, live *Object) bool {
	wanted := map[string]bool{}
	for _, g := range t.Groups {
		for _, v := range g.Volumes {
			if p := v.Persistent; p != nil && p.Existing != "" && !p.Shared {
				wanted[p.Existing] = true
			}
		}
	}
	volumes, _, _ := unstructured.NestedSlice(live.Object, "spec", "template", "spec", "volumes")
	return slices.ContainsFunc(volumes, func(v any) bool {
		volume, _ := v.(map[string]any)
		claim, _, _ := unstructured.NestedString(volume, "persistentVolumeClaim", "claimName")
		return wanted[claim]
	})
}

// removeStale is for an instance whose newest revision is ready. What made Pods goes first, and what Pods needed last.
func (c *client) removeStale(ctx context.Context, t *topology.Topology, refs []string) error {
	var all []*Object
	serving := false
	for _, ref := range refs {
		k, o, known := c.referred(t.Key(), ref)
		if !known {
			continue
		}
		live, err := c.get(ctx, o)
		if err != nil {
			return err
		}
		if live != nil {
			all, serving = append(all, live), serving || !k.late
		}
	}
	if serving {
		if err := c.drained(ctx, t); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b *Object) int { return rank(b) - rank(a) })
	for _, live := range all {
		if err := c.removeLive(ctx, live, t.Key()); err != nil {
			return err
		}
	}
	return nil
}

// drained waits for the former Pods of the groups that stay: they end when they are ready to, and until then they may ask
// those of the groups that go. One that outlives its grace is not waited for.
func (c *client) drained(ctx context.Context, t *topology.Topology) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := c.dynamic.Resource(pods).Namespace(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: instanceSelector(t.Key())})
		if apierrors.IsForbidden(err) {
			return nil
		}
		if err != nil {
			return c.explain(err)
		}
		if !slices.ContainsFunc(list.Items, func(o Object) bool { return !left(t, &o) && ending(&o, time.Now()) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// ending tells whether a Pod is on its way out, and still has time for that.
func ending(o *Object, now time.Time) bool {
	p := typed[corev1.Pod](o)
	if p == nil || p.DeletionTimestamp == nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return false
	}
	const late = 2 * time.Second
	return now.Before(p.DeletionTimestamp.Add(late)) // it is when the grace ends
}

// referred is the object that a reference of an instance names; false if it is of a kind of another version of the
// provider: the owner reference will see to it.
func (c *client) referred(key topology.Key, ref string) (kind, *Object, bool) {
	k, name, err := dereference(ref)
	if err != nil {
		return k, nil, false
	}
	o := &Object{}
	o.SetAPIVersion(k.apiVersion)
	o.SetKind(k.name)
	o.SetNamespace(key.Namespace)
	o.SetName(name)
	return k, o, true
}

func (c *client) removeLive(ctx context.Context, live *Object, key topology.Key) error {
	if !ours(live, key) {
		return nil // somebody else's by now
	}
	if live.GetKind() == "PersistentVolumeClaim" && live.GetLabels()[labelData] != "delete" {
		return nil // data stays
	}
	on, err := c.on(live)
	if err != nil {
		return err
	}
	_, err = again(ctx, func() (any, error) {
		return nil, on.Delete(ctx, live.GetName(), metav1.DeleteOptions{
			PropagationPolicy: new(metav1.DeletePropagationBackground), Preconditions: metav1.NewUIDPreconditions(string(live.GetUID())),
		})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return c.refused(live, err)
	}
	return nil
}
