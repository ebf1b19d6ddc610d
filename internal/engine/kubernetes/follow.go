package kubernetes

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
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
	for ctx.Err() == nil {
		w, err := c.dynamic.Resource(r).Namespace(namespace).Watch(ctx, o)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			var config *engine.ConfigError
			if err = c.explain(err); errors.As(err, &config) && (r == pods || r == events || !send(change{err: err})) {
				return // Pods and events only tell sooner and more; whoever may not see them does without
			}
			_ = pause(ctx, time.Second) // the server may be restarting; the loop ends with ctx
			continue
		}
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
