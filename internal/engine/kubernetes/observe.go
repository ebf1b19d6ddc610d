package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Observe compares the cluster with the topology, by one list for each kind in use. See engine.Engine.
func (e *Engine) Observe(ctx context.Context, t *topology.Topology) (*engine.Observation, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	objects, err := Translate(t, Options{Namespace: c.namespace})
	if err != nil {
		return nil, err
	}
	t = placed(t, c.namespace)
	live, err := c.list(ctx, t.Key(), kindsOf(references(objects)))
	if err != nil {
		return nil, err
	}
	record := live[reference(objects[0])]
	if record == nil {
		return nil, engine.ErrNotFound
	}
	out := &engine.Observation{Revision: record.GetAnnotations()[annotationRevision], Groups: map[string]engine.GroupStatus{}}
	for _, o := range live {
		out.Objects = append(out.Objects, o.GetAPIVersion()+"/"+describe(o))
	}
	slices.Sort(out.Objects)
	for _, o := range objects {
		out.Drift = append(out.Drift, drift(o, live[reference(o)])...)
	}
	slices.SortFunc(out.Drift, func(a, b engine.Drift) int { return strings.Compare(a.Object+a.Field, b.Object+b.Field) })
	out.Endpoints = c.endpoints(ctx, t, live, record)
	summarize(out, newScene(t, objects, time.Time{}), live, record)
	return out, nil
}

// list all objects of an instance of some kinds, by reference. The reads go in parallel.
func (c *client) list(ctx context.Context, key topology.Key, of []kind) (map[string]*Object, error) {
	found := make([][]Object, len(of))
	g, gctx := errgroup.WithContext(ctx)
	for i, k := range of {
		g.Go(func() error {
			list, err := again(gctx, func() (*unstructured.UnstructuredList, error) {
				return c.dynamic.Resource(k.resource()).Namespace(key.Namespace).List(gctx, metav1.ListOptions{LabelSelector: instanceSelector(key)})
			})
			if err != nil {
				return c.explain(fmt.Errorf("list %s of %s/%s: %w", k.plural, key.Namespace, key.Name, err))
			}
			found[i] = list.Items
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := map[string]*Object{}
	for _, items := range found {
		for i := range items {
			out[reference(&items[i])] = &items[i]
		}
	}
	return out, nil
}

// drift of one object.
func drift(want, live *Object) []engine.Drift {
	name := describe(want)
	if live == nil {
		return []engine.Drift{{Object: name, Want: "present", Have: "is missing"}}
	}
	var out []engine.Drift
	for _, d := range differences(expected(want), live.Object) {
		show := short
		if confidential(want.GetKind(), d.path) {
			show = concealed
		}
		out = append(out, engine.Drift{Object: name, Field: d.path, Want: show(d.want), Have: show(d.have), Manager: lastManager(live, d.keys)})
	}
	if want.GetKind() == "Secret" {
		out = append(out, missingKeys(want, live)...)
	}
	return out
}

// confidential are the fields whose values the configuration may call sensitive: variables and files. Whole containers
// hold variables, too.
func confidential(kind, path string) bool {
	return strings.Contains(path, ".env") || kind == "ConfigMap" && strings.HasPrefix(path, ".data") ||
		strings.HasSuffix(path, "]") && strings.Contains(path, "ontainers[") && !strings.Contains(path[strings.Index(path, "ontainers["):], "].")
}

// concealed shows whether values are equal, not what they are.
func concealed(v any) string {
	if v == nil {
		return "nothing"
	}
	return engine.Digest(fmt.Sprint(v))
}

// expected is what is compared of an object: all of it, except of the record, whose own bookkeeping is no drift.
func expected(want *Object) map[string]any {
	if want.GetLabels()[labelRecord] == "" {
		return want.Object
	}
	out := want.DeepCopy()
	delete(out.Object, "data")
	return out.Object
}

// missingKeys of a Secret. Its values are nobody's business.
func missingKeys(want, live *Object) []engine.Drift {
	have := present(live)
	var out []engine.Drift
	for _, k := range strings.Split(want.GetAnnotations()[annotationKeys], ",") {
		if _, there := have[k]; !there && k != "" {
			out = append(out, engine.Drift{Object: describe(want), Field: ".data[" + fmt.Sprintf("%q", k) + "]", Want: "present", Have: "is missing"})
		}
	}
	return out
}
