package nomad

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// applyAttempts against other writers: an autoscaler changes the job whenever it likes.
const applyAttempts = 5

// Apply writes the variable, the policies, the volumes and then the job, each by check-and-set where Nomad has it.
func (e *Engine) Apply(ctx context.Context, t *topology.Topology, o engine.ApplyOptions) error {
	var lost *lostScale
	for attempt := 1; ; attempt++ {
		err := e.apply(ctx, t, o, lost)
		errors.As(err, &lost)
		if !errors.Is(err, errChanged) || attempt == applyAttempts {
			return err
		}
	}
}

func (e *Engine) apply(ctx context.Context, t *topology.Topology, o engine.ApplyOptions, lost *lostScale) error {
	k := e.resolve(t.Key())
	was, err := e.readVariable(ctx, k)
	if err != nil {
		return err
	}
	if err := mayTake(k, was.record, t, o); err != nil {
		return err
	}
	job, err := e.job(ctx, k)
	if err != nil {
		return err
	}
	lost.restore(job)
	if job != nil && was.record == nil && !isOurs(job, k) {
		return &engine.ExistsError{Key: k, Owner: owner(job)}
	}
	mhz, err := e.mhzPerCore(ctx, t, was.record)
	if err != nil {
		return err
	}
	p, err := Translate(t, Options{Namespace: k.Namespace, Region: e.cfg.withEnvironment().Region, MHzPerCore: mhz})
	if err != nil {
		return err
	}
	keepCounts(t, p.Job, job)
	keepMarks(p.Job, job)

	r := &record{Pattern: t.Pattern, Revision: t.Revision(), Spec: t.Spec, MHzPerCore: mhz, Complete: was.record != nil && was.record.Complete}
	if r.Spec == nil && was.record != nil {
		r.Spec = was.record.Spec
	}
	counts := groupCounts(p.Job)
	for _, a := range p.Policies {
		r.Policies = append(r.Policies, a.Name)
	}
	r.Policies = union(formerPolicies(was.record), r.Policies)
	for _, v := range p.Volumes {
		if v.Delete {
			r.Volumes = append(r.Volumes, v.names(max(1, counts[v.Group]))...) // as makeVolumes does
		}
	}
	r.Volumes = union(deletable(formerVolumes(was.record), p.Volumes), r.Volumes)
	r.Secrets = writtenSecrets(t, was.record)
	for _, g := range leaving(p.Job, job) {
		r.Leaving = append(r.Leaving, *g.Name)
	}
	items, err := wanted(p, t, was)
	if err != nil {
		return err
	}
	if !maps.Equal(withoutRecord(items), withoutRecord(was.items)) || !same(r, was.record) {
		if err := e.writeVariable(ctx, k, was, r, items); err != nil {
			return err
		}
	}
	if err := e.writePolicies(ctx, k, p.Policies); err != nil {
		return err
	}
	if err := e.makeVolumes(ctx, k, p.Volumes, counts); err != nil {
		return err
	}
	if err := e.tryAgain(ctx, k, p.Job, job); err != nil {
		return err
	}
	return e.register(ctx, k, t, withLeaving(p.Job, job), job)
}

// tryAgain gives a job whose newest version has failed, or is stuck, another version, though nothing that runs differs: Nomad
// makes no second deployment of the same one, whatever was mended outside of it. The description for Nomad's web interface
// restarts nothing.
func (e *Engine) tryAgain(ctx context.Context, k topology.Key, job, was *api.Job) error {
	if was == nil {
		return nil
	}
	job.UI = was.UI
	c, err := e.connect()
	if err != nil {
		return err
	}
	d, _, err := c.Jobs().LatestDeployment(k.Name, e.query(ctx, k.Namespace))
	if err != nil {
		return e.fault("read the deployment of "+object(k), err)
	}
	if d != nil && d.Status == api.DeploymentStatusFailed && d.JobVersion == *was.Version {
		job.UI = &api.JobUIConfig{Description: "Tried again after the failed deployment " + d.ID + "."}
	}
	is, err := e.stuckNow(ctx, k, was, d)
	if is {
		job.UI = anotherVersion(d)
	}
	return err
}

// mayTake keeps a creation from taking over an instance that somebody has finished with another spec.
func mayTake(k topology.Key, r *record, t *topology.Topology, o engine.ApplyOptions) error {
	if r == nil {
		return nil
	}
	if r.Pattern != t.Pattern {
		return &engine.ExistsError{Key: k, Owner: "the " + r.Pattern + " of that name"}
	}
	if o.Create && r.Complete && !sameJSON(r.Spec, t.Spec) {
		return &engine.ExistsError{Key: k, Owner: "another " + r.Pattern + " resource: import it, or choose another name"}
	}
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}

// isOurs tells whether the instance made the job, even if its variable is gone.
func isOurs(job *api.Job, k topology.Key) bool {
	return job.Meta[metaPattern] == k.Pattern && job.Meta[metaName] == k.Name
}

func owner(job *api.Job) string {
	if p := job.Meta[metaPattern]; p != "" {
		return "the " + p + " of that name"
	}
	return "somebody who made a Nomad job of that name"
}

// job as it is, nil if it is not there.
func (e *Engine) job(ctx context.Context, k topology.Key) (*api.Job, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	job, _, err := c.Jobs().Info(k.Name, e.query(ctx, k.Namespace))
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, e.fault("read "+object(k), err)
	}
	return job, nil
}

// keepCounts leaves the groups that an autoscaler rules as they are. Nomad could do so by itself for all groups of a job,
// but not for some.
func keepCounts(t *topology.Topology, job, was *api.Job) {
	if was == nil || was.Stop != nil && *was.Stop {
		return
	}
	now := groupCounts(was)
	for i := range t.Groups {
		g := &t.Groups[i]
		if n, there := now[g.Name]; there && scaled(*g) {
			job.TaskGroups[i].Count = new(n)
		}
	}
}

func groupCounts(job *api.Job) map[string]int {
	out := map[string]int{}
	for _, g := range job.TaskGroups {
		if g.Count != nil {
			out[*g.Name] = *g.Count
		}
	}
	return out
}

// wanted are the items of the variable: those of the plan, the values of secrets, and, until the update is over, those
// that the old replicas may still read. What others have put there stays.
func wanted(p *Plan, t *topology.Topology, was stored) (api.VariableItems, error) {
	items := api.VariableItems{}
	maps.Copy(items, was.items)
	maps.Copy(items, p.Items)
	for _, s := range t.Secrets {
		if was.holds(&s) {
			continue
		}
		for key, value := range s.Values {
			items[secretItem(s.Name, key)] = value
		}
	}
	for _, s := range p.Secrets {
		if _, there := items[s.Item]; there {
			continue
		}
		if s.Generate == 0 {
			return nil, &engine.RejectedError{Object: "variable " + p.Path, Reason: fmt.Sprintf(
				"the secret %q has no value for %q, and the cluster has none: give it (and another version)", s.Secret, s.Key)}
		}
		raw := make([]byte, s.Generate)
		if _, err := rand.Read(raw); err != nil {
			return nil, fmt.Errorf("generate the secret %s/%s: %w", s.Secret, s.Key, err)
		}
		items[s.Item] = base64.RawURLEncoding.EncodeToString(raw)
	}
	return items, nil
}

// deletable are the former volumes less those that are to be kept now.
func deletable(former []string, volumes []HostVolume) (out []string) {
	for _, name := range former {
		if !slices.ContainsFunc(volumes, func(v HostVolume) bool {
			return !v.Delete && (name == v.Name || strings.HasPrefix(name, v.Name+"["))
		}) {
			out = append(out, name)
		}
	}
	return out
}

// writtenSecrets are the versions whose values the variable holds: those that are written now, and those from before.
// After a rollback the values are of another version than the wanted one; then none is noted, and the next values that are
// given are written.
func writtenSecrets(t *topology.Topology, was *record) map[string]string {
	out := map[string]string{}
	for _, s := range t.Secrets {
		switch {
		case s.Values != nil:
			out[s.Name] = s.Version
		case was != nil && s.Version != "" && was.Secrets[s.Name] == s.Version:
			out[s.Name] = s.Version
		}
	}
	return out
}

// holds tells whether the variable has the values of a secret in the version that is wanted: they are only written when
// that changes, whatever the configuration gives (it may be made anew with each run).
func (s *stored) holds(secret *topology.Secret) bool {
	if s.record == nil || secret.Version == "" || s.record.Secrets[secret.Name] != secret.Version {
		return false
	}
	for key := range secret.Values {
		if _, there := s.items[secretItem(secret.Name, key)]; !there {
			return false
		}
	}
	return true
}

func withoutRecord(items api.VariableItems) api.VariableItems {
	out := maps.Clone(items)
	delete(out, recordItem)
	return out
}

func same(a, b *record) bool {
	if b == nil {
		return false
	}
	x, errX := a.encode()
	y, errY := b.encode()
	return errX == nil && errY == nil && x == y
}

func formerPolicies(r *record) []string {
	if r == nil {
		return nil
	}
	return r.Policies
}

func formerVolumes(r *record) []string {
	if r == nil {
		return nil
	}
	return r.Volumes
}

// union keeps the order and drops repetitions.
func union(lists ...[]string) (out []string) {
	seen := map[string]bool{}
	for _, l := range lists {
		for _, s := range l {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// writePolicies makes the policies. Without ACLs everybody may do everything, and none are needed.
func (e *Engine) writePolicies(ctx context.Context, k topology.Key, policies []*api.ACLPolicy) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	for _, p := range policies {
		_, err := c.ACLPolicies().Upsert(p, e.write(ctx, k.Namespace))
		switch {
		case err == nil:
		case strings.Contains(body(err), "ACL support disabled"):
			return nil
		case status(err) == http.StatusForbidden:
			return &engine.ConfigError{
				Attribute: "token", Summary: "Nomad lets only management tokens write policies",
				Detail: fmt.Sprintf("the group %s of %s needs a policy to use Nomad's API or to read variables that are not its own (%s): apply with a management token, or do without", p.JobACL.Group, object(k), p.Name),
				Err:    err,
			}
		default:
			return e.fault("write the policy "+p.Name, err)
		}
	}
	return nil
}
