package kubernetes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Tail lists the group's Pods and reads the newest one's log: two requests. See engine.Engine.
func (e *Engine) Tail(ctx context.Context, t *topology.Topology, group, container string, lines int) ([]string, error) {
	if _, _, err := engine.Container(t, group, container); err != nil {
		return nil, err
	}
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	key := c.key(t.Key())
	all, err := c.podsOf(ctx, key, group)
	if err != nil {
		return nil, err
	}
	p := newestRunning(all, container)
	if p == nil {
		return nil, fmt.Errorf("group %q of %s/%s: %w", group, key.Namespace, key.Name, engine.ErrNotRunning)
	}
	raw, err := c.readLog(ctx, p, corev1.PodLogOptions{Container: container, TailLines: new(int64(max(0, lines)))})
	if apierrors.IsNotFound(err) { // it has ended since
		return nil, fmt.Errorf("Pod %s/%s: %w", p.Namespace, p.Name, engine.ErrNotRunning)
	}
	if err != nil {
		return nil, c.explain(fmt.Errorf("read the log of %q in Pod %s/%s: %w", container, p.Namespace, p.Name, err))
	}
	return engine.LastLines(string(raw), lines, false), nil
}

// newestRunning is the Pod that was made last of those in which a container runs; one that is to end is worse than any
// other.
func newestRunning(all []*corev1.Pod, container string) *corev1.Pod {
	all = slices.DeleteFunc(all, func(p *corev1.Pod) bool { return p == nil || !runs(p, container) })
	if len(all) == 0 {
		return nil
	}
	return slices.MaxFunc(all, func(a, b *corev1.Pod) int {
		if (a.DeletionTimestamp == nil) != (b.DeletionTimestamp == nil) {
			if a.DeletionTimestamp == nil {
				return 1
			}
			return -1
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
}

// readLog of a container, both streams as they were written.
func (c *client) readLog(ctx context.Context, p *corev1.Pod, o corev1.PodLogOptions) ([]byte, error) {
	return c.core.Get().Namespace(p.Namespace).Resource("pods").Name(p.Name).SubResource("log").VersionedParams(&o, scheme.ParameterCodec).DoRaw(ctx)
}
