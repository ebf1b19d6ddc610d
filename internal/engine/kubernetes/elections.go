package kubernetes

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// annotationElector holds what electors have written into a Lease.
const annotationElector = topology.LabelPrefix + "elector"

var leases = gvr("coordination.k8s.io/v1", "leases")

// Elections reads what the electors of an instance share.
func (e *Engine) Elections(ctx context.Context, key topology.Key) (map[string][]byte, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	namespace := key.Namespace
	if namespace == "" {
		namespace = c.namespace
	}
	list, err := again(ctx, func() (*unstructured.UnstructuredList, error) {
		return c.dynamic.Resource(leases).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: labelInstance + "=" + key.Name})
	})
	if err != nil {
		return nil, c.explain(err)
	}
	out := map[string][]byte{}
	for _, l := range list.Items {
		if text := l.GetAnnotations()[annotationElector]; text != "" {
			out[strings.TrimPrefix(l.GetName(), key.Name+"-")] = []byte(text)
		}
	}
	return out, nil
}
