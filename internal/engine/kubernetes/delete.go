package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Delete removes the record in the foreground: the cluster lets it go only when all that it owns is gone, down to the
// last Pod. So an interrupted deletion goes on by itself, and the next call only waits.
func (e *Engine) Delete(ctx context.Context, key topology.Key) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	key = c.key(key)
	live, err := c.get(ctx, recordObject(key))
	if err != nil || live == nil {
		return err
	}
	if !ours(live, key) {
		return &engine.ExistsError{Key: key, Owner: owner(live)}
	}
	// Claims first: while Pods hold them they stay, and after the record nothing would remember them.
	if err := c.deleteClaims(ctx, key, live); err != nil {
		return err
	}
	on, err := c.on(live)
	if err != nil {
		return err
	}
	_, err = again(ctx, func() (any, error) {
		return nil, on.Delete(ctx, live.GetName(), metav1.DeleteOptions{
			PropagationPolicy: new(metav1.DeletePropagationForeground),
			Preconditions:     metav1.NewUIDPreconditions(string(live.GetUID())),
		})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return c.refused(live, err)
	}
	err = c.gone(ctx, live)
	if err != nil && ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return c.remains(ctx, key, live)
	}
	return err
}

// recordObject is the address of an instance's record.
func recordObject(key topology.Key) *Object {
	o := &Object{}
	o.SetAPIVersion("v1")
	o.SetKind("ConfigMap")
	o.SetNamespace(key.Namespace)
	o.SetName(recordName(key.Name, key.Pattern))
	return o
}

// deleteClaims of stable groups whose data is to go with the instance. They are owned by nobody.
func (c *client) deleteClaims(ctx context.Context, key topology.Key, record *Object) error {
	named := strings.Fields(record.GetAnnotations()[annotationClaims])
	if len(named) == 0 {
		return nil
	}
	on := c.dynamic.Resource(claims).Namespace(key.Namespace)
	list, err := again(ctx, func() (*unstructured.UnstructuredList, error) {
		return on.List(ctx, metav1.ListOptions{LabelSelector: instanceSelector(key)})
	})
	if err != nil {
		return c.explain(fmt.Errorf("list the persistent volume claims of %s/%s: %w", key.Namespace, key.Name, err))
	}
	for i := range list.Items {
		o := &list.Items[i]
		if !ofTemplate(o.GetName(), named) {
			continue
		}
		_, err := again(ctx, func() (any, error) { return nil, on.Delete(ctx, o.GetName(), metav1.DeleteOptions{}) })
		if err != nil && !apierrors.IsNotFound(err) {
			return c.refused(o, err)
		}
	}
	return nil
}

// ofTemplate tells whether a claim is that of one of the templates, for some replica.
func ofTemplate(claim string, templates []string) bool {
	return slices.ContainsFunc(templates, func(t string) bool {
		index, found := strings.CutPrefix(claim, t+"-")
		_, err := strconv.Atoi(index)
		return found && err == nil
	})
}

// gone waits until an object is.
func (c *client) gone(ctx context.Context, o *Object) error {
	on, err := c.on(o)
	if err != nil {
		return err
	}
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("wait until %s is gone: %w", describe(o), ctx.Err())
		}
		live, err := again(ctx, func() (*Object, error) { return on.Get(ctx, o.GetName(), metav1.GetOptions{}) })
		if apierrors.IsNotFound(err) || err == nil && live.GetUID() != o.GetUID() {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return c.refused(o, err)
		}
		if err != nil {
			continue
		}
		w, err := on.Watch(ctx, metav1.ListOptions{
			FieldSelector:   fields.OneTermEqualSelector("metadata.name", o.GetName()).String(),
			ResourceVersion: live.GetResourceVersion(),
		})
		if err == nil && deleted(ctx, w) {
			return nil
		}
		_ = pause(ctx, time.Second/2) // the loop ends with ctx
	}
}

// deleted tells whether a watch ended with the object rather than by itself.
func deleted(ctx context.Context, w watch.Interface) bool {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case ev, open := <-w.ResultChan():
			if !open || ev.Type == watch.Error {
				return false
			}
			if ev.Type == watch.Deleted {
				return true
			}
		}
	}
}

// pause between two attempts.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// remains lists what a deletion has not removed yet, with what holds it.
func (c *client) remains(ctx context.Context, key topology.Key, record *Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	out := &engine.RemainsError{Key: key}
	look := kindsOf(inventory(record))
	look = append(look, kind{apiVersion: "v1", name: "Pod", plural: "pods"}, kind{apiVersion: "v1", name: "ConfigMap", plural: "configmaps"})
	seen := map[string]bool{}
	for _, k := range look {
		list, err := c.dynamic.Resource(k.resource()).Namespace(key.Namespace).List(ctx, metav1.ListOptions{LabelSelector: instanceSelector(key)})
		if err != nil || seen[k.plural] {
			continue
		}
		seen[k.plural] = true
		for i := range list.Items {
			o := &list.Items[i]
			if o.GetKind() == "PersistentVolumeClaim" && o.GetDeletionTimestamp() == nil {
				continue // kept
			}
			line := o.GetAPIVersion() + "/" + describe(o)
			if f := o.GetFinalizers(); len(f) > 0 {
				line += " (finalizers: " + strings.Join(f, ", ") + ")"
			}
			out.Objects = append(out.Objects, line)
		}
	}
	slices.Sort(out.Objects)
	return out
}

// kindsOf references, each once.
func kindsOf(refs []string) []kind {
	var out []kind
	for _, ref := range refs {
		if k, _, err := dereference(ref); err == nil && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}
