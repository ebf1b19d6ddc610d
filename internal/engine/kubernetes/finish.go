package kubernetes

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// finish an apply whose replicas are all ready: remove what only the former revision needed, and mark the record.
func (c *client) finish(ctx context.Context, t *topology.Topology, objects []*Object) error {
	record := objects[0]
	live, err := c.get(ctx, record)
	if err != nil {
		return err
	}
	if live == nil || live.GetDeletionTimestamp() != nil {
		return nil // deleted meanwhile: there is nothing left to mark
	}
	old := stale(inventory(live), objects[1:])
	nodes := ""
	if usesNodePorts(t) {
		nodes = strings.Join(c.nodeAddresses(ctx), ",")
	}
	if complete(live) && len(old) == 0 && nodes == live.GetAnnotations()[annotationNodes] {
		return nil
	}
	if err := c.removeStale(ctx, t, old); err != nil {
		return err
	}
	marked := keepMarks(record, live, references(objects[1:]))
	annotate(marked, annotationComplete, "true")
	if usesNodePorts(t) {
		annotate(marked, annotationNodes, nodes)
	}
	// The UID keeps a record that is deleted at this moment from being made again.
	marked.SetUID(live.GetUID())
	if _, err := c.apply(ctx, marked, true); err != nil {
		if left, lookErr := c.get(ctx, record); lookErr == nil && left == nil {
			return nil
		}
		return err
	}
	return nil
}

func usesNodePorts(t *topology.Topology) bool {
	for _, g := range t.Groups {
		if slices.ContainsFunc(g.Services, func(s topology.Service) bool { return s.Exposure == topology.ExposeNode }) {
			return true
		}
	}
	return false
}

// someNodes are enough to reach a node port by.
const someNodes = 3

// nodeAddresses of some machines, external ones first. Whoever may not list nodes gets none.
func (c *client) nodeAddresses(ctx context.Context) []string {
	list, err := c.dynamic.Resource(nodes).List(ctx, metav1.ListOptions{Limit: someNodes})
	if err != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		if a := nodeAddress(&list.Items[i]); a != "" {
			out = append(out, a)
		}
	}
	return out
}
