package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// An application is one Apply.
type application struct {
	*client
	t       *topology.Topology
	options engine.ApplyOptions
	record  *Object
	objects []*Object
	// was is the record before, nil if there was none; inventory is what it listed.
	was       *Object
	inventory []string
	// live are those of the objects that were read before they were written, by reference.
	live map[string]*Object
}

// Apply writes the record, then all objects in order, then prunes. See engine.Engine.
func (e *Engine) Apply(ctx context.Context, t *topology.Topology, o engine.ApplyOptions) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	objects, err := Translate(t, Options{Namespace: c.namespace})
	if err != nil {
		return err
	}
	a := &application{client: c, t: placed(t, c.namespace), options: o, record: objects[0], objects: objects[1:]}
	for _, step := range []func(context.Context) error{a.readRecord, a.readLive, a.fitClaims, a.writeRecord, a.writeClasses, a.writeObjects, a.tellPods, a.prune} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readRecord decides whether the instance is ours to write.
func (a *application) readRecord(ctx context.Context) error {
	live, err := a.get(ctx, a.record)
	if err != nil {
		return err
	}
	key := a.t.Key()
	if live != nil && live.GetDeletionTimestamp() != nil && ours(live, key) {
		// A deletion that was interrupted goes on in the cluster; what is written now would be deleted with the rest.
		if err := a.gone(ctx, live); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return a.remains(ctx, key, live)
			}
			return err
		}
		live = nil
	}
	if live == nil {
		return nil
	}
	if !ours(live, key) {
		return &engine.ExistsError{Key: key, Owner: owner(live)}
	}
	if a.options.Create && complete(live) {
		spec := datum(live, dataSpec)
		if !sameJSON([]byte(spec), a.t.Spec) {
			return &engine.ExistsError{Key: key, Owner: Manager + "; import it instead"}
		}
	}
	a.was, a.inventory = live, inventory(live)
	return nil
}

// sameJSON compares values, not their notation.
func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// readLive reads the objects whose present state matters: those that are new to the instance, since somebody else's
// object of that name is not ours to take; and those that are merged with what there is.
func (a *application) readLive(ctx context.Context) error {
	found := make([]*Object, len(a.objects))
	watched := watchedConfigs(a.objects)
	g, gctx := errgroup.WithContext(ctx)
	for i, o := range a.objects {
		isNew := !slices.Contains(a.inventory, reference(o))
		if _, immutable := o.Object["immutable"]; immutable && isNew {
			continue // its name holds a digest
		}
		if isNew || o.GetKind() == "Secret" || slices.Contains(watched, o) || scales(o) && !hasReplicas(o) {
			g.Go(func() (err error) {
				found[i], err = a.get(gctx, o)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	a.live = map[string]*Object{}
	for i, o := range a.objects {
		if found[i] == nil {
			continue
		}
		if !ours(found[i], a.t.Key()) {
			return &engine.ExistsError{Key: a.t.Key(), Owner: owner(found[i])}
		}
		a.live[reference(o)] = found[i]
	}
	return nil
}

// owner of an object, as well as it can be told.
func owner(live *Object) string {
	what := describe(live)
	if by := live.GetLabels()["app.kubernetes.io/managed-by"]; by != "" {
		if instance := live.GetLabels()[labelInstance]; instance != "" && by == Manager {
			return fmt.Sprintf("%s of the pattern_%s %q", what, live.GetLabels()[labelPattern], instance)
		}
		return what + ", managed by " + by
	}
	var first *metav1.ManagedFieldsEntry
	for _, f := range live.GetManagedFields() {
		if f.Subresource == "" && f.Time != nil && (first == nil || f.Time.Before(first.Time)) {
			first = &f
		}
	}
	if first == nil {
		return what
	}
	return what + ", written by " + first.Manager
}

func (a *application) writeRecord(ctx context.Context) error {
	all := slices.Concat(a.inventory, references(a.objects))
	written, err := a.apply(ctx, keepMarks(a.record, a.was, all), true) // it is nobody else's, whoever has touched it
	if err != nil {
		return err
	}
	for _, o := range a.objects {
		if o.GetKind() == "PersistentVolumeClaim" && o.GetLabels()[labelData] == "keep" {
			continue // outlives the instance
		}
		o.SetOwnerReferences([]metav1.OwnerReference{{
			APIVersion: "v1", Kind: "ConfigMap", Name: written.GetName(), UID: written.GetUID(), BlockOwnerDeletion: new(true),
		}})
	}
	return nil
}

// keepMarks is the record with an inventory, and with what former waits have noted in it.
func keepMarks(record, was *Object, inventory []string) *Object {
	out := record.DeepCopy()
	_ = unstructured.SetNestedField(out.Object, listing(inventory), "data", dataInventory) // data is a map
	if was != nil {
		for _, mark := range []string{annotationComplete, annotationNodes} {
			if v, there := was.GetAnnotations()[mark]; there {
				annotate(out, mark, v)
			}
		}
	}
	return out
}

func annotate(o *Object, key, value string) {
	all := o.GetAnnotations()
	if all == nil {
		all = map[string]string{}
	}
	all[key] = value
	o.SetAnnotations(all)
}

func (a *application) writeObjects(ctx context.Context) error {
	for _, o := range a.objects {
		live := a.live[reference(o)]
		if o.GetKind() == "Secret" {
			if err := a.addValues(o, live); err != nil {
				return err
			}
		}
		if live != nil && scales(o) && !hasReplicas(o) {
			if err := a.releaseReplicas(ctx, live); err != nil {
				return err
			}
		}
		_, err := a.apply(ctx, o, a.options.Force)
		if rigid(o, err) {
			_, err = a.recreate(ctx, o, a.options.Force)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// on is where an object is read and written.
func (c *client) on(o *Object) (dynamic.ResourceInterface, error) {
	k, err := kindOf(o.GetAPIVersion(), o.GetKind())
	if err != nil {
		return nil, err
	}
	return c.dynamic.Resource(k.resource()).Namespace(o.GetNamespace()), nil
}

// get an object as it is, nil if it is not there.
func (c *client) get(ctx context.Context, o *Object) (*Object, error) {
	on, err := c.on(o)
	if err != nil {
		return nil, err
	}
	live, err := again(ctx, func() (*Object, error) { return on.Get(ctx, o.GetName(), metav1.GetOptions{}) })
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.refused(o, err)
	}
	return live, nil
}

// apply an object by server-side apply.
func (c *client) apply(ctx context.Context, o *Object, force bool) (*Object, error) {
	on, err := c.on(o)
	if err != nil {
		return nil, err
	}
	written, err := again(ctx, func() (*Object, error) {
		return on.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: Manager, Force: force})
	})
	if err != nil {
		return nil, c.refused(o, err)
	}
	return written, nil
}

// refused says what a failed request means for the object.
func (c *client) refused(o *Object, err error) error {
	if conflict := conflictOf(o, err); conflict != nil {
		return conflict
	}
	explained := c.explain(err)
	var config *engine.ConfigError
	var status apierrors.APIStatus
	if errors.As(explained, &config) || !errors.As(err, &status) {
		return explained
	}
	reason := message(err)
	switch {
	case apierrors.IsNotFound(err):
		reason = fmt.Sprintf("the namespace %q does not exist; create it first (kubectl create namespace %s, or a kubernetes_namespace resource that this one depends on)", o.GetNamespace(), o.GetNamespace())
	case apierrors.HasStatusCause(err, "NamespaceTerminating"):
		reason = fmt.Sprintf("the namespace %q is being deleted", o.GetNamespace())
	case status.Status().Code >= 500, apierrors.IsTooManyRequests(err):
		return fmt.Errorf("write %s: %w", describe(o), err)
	}
	return &engine.RejectedError{Object: describe(o), Reason: reason, Err: err}
}
