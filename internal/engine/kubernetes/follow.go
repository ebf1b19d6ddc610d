package kubernetes

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// A change is what a watch tells: an object as it is now, or that it is gone. The first change of each watch is a fresh
// start: what was known of that resource may have gone meanwhile.
type change struct {
	resource schema.GroupVersionResource
	object   *Object
	gone     bool
	fresh    bool
	err      error
}

// outage is how long the API server may be away during a wait: as long as it takes to be started anew.
const outage = time.Minute

// follow sends all changes of the objects that match, beginning with those that are there. Each watch begins at the
// newest state, which costs no list, and for which no resource version can be too old; a watch that ends is begun anew.
func (c *client) follow(ctx context.Context, r schema.GroupVersionResource, namespace string, o metav1.ListOptions, out chan<- change) {
	send := func(ch change) bool {
		ch.resource = r
		select {
		case out <- ch:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var lost time.Time
	for ctx.Err() == nil {
		w, err := c.dynamic.Resource(r).Namespace(namespace).Watch(ctx, o)
		if apierrors.IsUnauthorized(err) { // client-go has asked for new credentials by now
			w, err = c.dynamic.Resource(r).Namespace(namespace).Watch(ctx, o)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if lost.IsZero() {
				lost = time.Now()
			}
			refused := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
			if refused && (r == pods || r == events) {
				return // they only tell sooner and more; whoever may not see them does without
			}
			if (refused || time.Since(lost) > outage) && !send(change{err: c.explain(err)}) {
				return
			}
			_ = pause(ctx, time.Second) // the loop ends with ctx
			continue
		}
		lost = time.Time{}
		if send(change{fresh: true}) {
			pass(ctx, w, send)
		}
		w.Stop()
		_ = pause(ctx, time.Second/4)
	}
}

func pass(ctx context.Context, w watch.Interface, send func(change) bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case ev, open := <-w.ResultChan():
			if !open {
				return
			}
			o, isObject := ev.Object.(*unstructured.Unstructured)
			if ev.Type == watch.Error || !isObject {
				return
			}
			if ev.Type != watch.Bookmark && !send(change{object: o, gone: ev.Type == watch.Deleted}) {
				return
			}
		}
	}
}
