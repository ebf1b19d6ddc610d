package nomad

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Lookup reads the record of an instance.
func (e *Engine) Lookup(ctx context.Context, key topology.Key) (*engine.Record, error) {
	key = e.resolve(key)
	s, err := e.readVariable(ctx, key)
	if err != nil {
		return nil, err
	}
	if s.record == nil || key.Pattern != "" && s.record.Pattern != key.Pattern {
		return nil, engine.ErrNotFound
	}
	key.Pattern = s.record.Pattern
	return &engine.Record{Key: key, Spec: s.record.Spec, Revision: s.record.Revision, Complete: s.record.Complete}, nil
}

// lookups run at once while listing.
const lookups = 16

// List reads the records of all instances of a pattern in a namespace.
func (e *Engine) List(ctx context.Context, namespace, pattern string) ([]engine.Record, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	namespace = e.cfg.namespace(namespace)
	list, _, err := c.Variables().PrefixList(variablePath(""), e.query(ctx, namespace))
	if err != nil {
		return nil, e.fault("list variables", err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		out   []engine.Record
		first error
		slot  = make(chan struct{}, lookups)
	)
	for _, v := range instances(list) {
		wg.Add(1)
		slot <- struct{}{}
		go func() {
			defer func() { <-slot; wg.Done() }()
			r, err := e.Lookup(ctx, topology.Key{Pattern: pattern, Namespace: namespace, Name: v})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				out = append(out, *r)
			case !errors.Is(err, engine.ErrNotFound) && first == nil:
				first = err
			}
		}()
	}
	wg.Wait()
	slices.SortFunc(out, func(a, b engine.Record) int { return strings.Compare(a.Key.Name, b.Key.Name) })
	return out, first
}

// instances are the jobs whose own variable is in the list.
func instances(list []*api.VariableMetadata) (out []string) {
	for _, v := range list {
		if name := strings.TrimPrefix(v.Path, variablePath("")); !strings.Contains(name, "/") {
			out = append(out, name)
		}
	}
	return out
}
