package nomad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// complete marks the record, and removes what only the replicas of former versions have read.
func (e *Engine) complete(ctx context.Context, t *topology.Topology, k topology.Key) error {
	for attempt := 1; ; attempt++ {
		s, err := e.readVariable(ctx, k)
		if err != nil {
			return err
		}
		if s.record == nil {
			return fmt.Errorf("%s runs, but its variable %s was removed meanwhile: apply again", object(k), variablePath(k.Name))
		}
		p, err := Translate(t, Options{Namespace: k.Namespace, MHzPerCore: s.record.MHzPerCore})
		if err != nil {
			return err
		}
		keep := map[string]bool{recordItem: true}
		for item := range p.Items {
			keep[item] = true
		}
		for _, i := range p.Secrets {
			keep[i.Item] = true
		}
		for _, sec := range t.Secrets {
			for key := range sec.Values {
				keep[secretItem(sec.Name, key)] = true
			}
		}
		items := maps.Clone(s.items)
		maps.DeleteFunc(items, func(item, _ string) bool { return ours(item) && !keep[item] })
		policies, err := e.prunePolicies(ctx, k, s.record.Policies, p.Policies)
		if err != nil {
			return err
		}
		if s.record.Complete && len(s.record.Leaving) == 0 && len(items) == len(s.items) && len(policies) == len(s.record.Policies) {
			return nil
		}
		r := *s.record
		r.Complete, r.Policies, r.Leaving = true, policies, nil
		if err = e.writeVariable(ctx, k, s, &r, items); !errors.Is(err, errChanged) || attempt == applyAttempts {
			return err
		}
	}
}

// prunePolicies deletes those that no group needs any more, and returns the others.
func (e *Engine) prunePolicies(ctx context.Context, k topology.Key, made []string, wanted []*api.ACLPolicy) ([]string, error) {
	var keep []string
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	for _, name := range made {
		if slices.ContainsFunc(wanted, func(p *api.ACLPolicy) bool { return p.Name == name }) {
			keep = append(keep, name)
			continue
		}
		if _, err := c.ACLPolicies().Delete(name, e.write(ctx, k.Namespace)); err != nil && status(err) != http.StatusNotFound && !strings.Contains(body(err), "disabled") {
			return nil, e.fault("delete the policy "+name, err)
		}
	}
	return keep, nil
}
