package kubernetes

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Lookup reads the record of an instance. See engine.Engine.
func (e *Engine) Lookup(ctx context.Context, key topology.Key) (*engine.Record, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	key = c.key(key)
	live, err := c.get(ctx, recordObject(key))
	if err != nil {
		return nil, err
	}
	if live == nil || !ours(live, key) {
		return nil, engine.ErrNotFound
	}
	return readRecord(live)
}

// List reads the records of a pattern's instances. See engine.Engine.
func (e *Engine) List(ctx context.Context, namespace, pattern string) ([]engine.Record, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		namespace = c.namespace
	}
	list, err := again(ctx, func() (*unstructured.UnstructuredList, error) {
		return c.dynamic.Resource(configMaps).Namespace(namespace).List(ctx, metav1.ListOptions{
			LabelSelector: labelRecord + "=true," + labelPattern + "=" + pattern,
		})
	})
	if err != nil {
		return nil, c.explain(err)
	}
	var out []engine.Record
	for i := range list.Items {
		r, err := readRecord(&list.Items[i])
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	return out, nil
}
