package nomad

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// DefaultMHzPerCore stands for a core where no cluster is asked: less than what nodes usually say of themselves, so that
// the manifest fits them.
const DefaultMHzPerCore = 1000

// Options of a translation.
type Options struct {
	// Namespace that an empty one in the topology means; "default" if it is empty too.
	Namespace string
	// Region of the job; empty is the cluster's.
	Region string
	// MHzPerCore turns cores into Nomad's unit; DefaultMHzPerCore if 0.
	MHzPerCore int
}

// Plan is all that an instance is in Nomad.
type Plan struct {
	Key topology.Key
	Job *api.Job
	// Path of the instance's variable, and what it holds besides its record: reloading configuration by item, and the
	// names of the items that are secrets.
	Path    string
	Items   map[string]string
	Secrets []SecretItem
	// Policies are needed where ACLs are on.
	Policies []*api.ACLPolicy
	// Volumes to make before the job.
	Volumes []HostVolume
}

// SecretItem is one value of one of the instance's own secrets in its variable.
type SecretItem struct {
	Item, Secret, Key string
	// Generate so many random bytes if there is none.
	Generate int
}

// Meta keys of a job. They never change, unlike metaChecks of a group, because a change of meta restarts tasks.
const (
	metaPattern = topology.LabelPrefix + "pattern"
	metaName    = topology.LabelPrefix + "name"
)

// Translate says what a topology becomes. It is pure. A topology with faults gives an error with all of them.
func Translate(t *topology.Topology, o Options) (*Plan, error) {
	if err := fault.List(check(t)).Err(); err != nil {
		return nil, err
	}
	b := &builder{
		t: t, options: o,
		plan: &Plan{Key: t.Key(), Path: variablePath(t.Name), Items: map[string]string{}},
	}
	b.options.MHzPerCore = cmp.Or(o.MHzPerCore, DefaultMHzPerCore)
	b.plan.Key.Namespace = cmp.Or(t.Namespace, o.Namespace, "default")
	b.configs()
	b.secrets()
	b.job()
	return b.plan, nil
}

// builder carries what the parts of a translation share.
type builder struct {
	t       *topology.Topology
	options Options
	plan    *Plan
}

// The job priorities of the topology's. Nomad's default is 50, and 100 is left to the operator.
var priorities = map[topology.Priority]int{topology.PriorityLow: 30, topology.PriorityDefault: 50, topology.PriorityHigh: 70}

func (b *builder) job() {
	t := b.t
	extras, _ := jobExtras(t)
	job := &api.Job{
		ID: new(t.Name), Name: new(t.Name), Namespace: new(b.plan.Key.Namespace), Region: new(cmp.Or(b.options.Region, "global")),
		Type: new(api.JobTypeService), Datacenters: extras.Datacenters, Meta: b.meta(),
	}
	if b.options.Region == "" {
		job.Region = nil
	}
	if extras.NodePool != "" {
		job.NodePool = new(extras.NodePool)
	}
	priority := extras.Priority
	for i := range t.Groups {
		g := &t.Groups[i]
		if extras.Priority == 0 {
			priority = max(priority, priorities[g.Priority])
		}
		if g.Identity == topology.ToCompletion {
			job.Type = new(api.JobTypeBatch)
		}
	}
	job.Priority = new(priority)
	for i := range t.Groups {
		job.TaskGroups = append(job.TaskGroups, b.group(&t.Groups[i]))
	}
	b.plan.Job = job
}

func (b *builder) meta() map[string]string {
	meta := map[string]string{}
	maps.Copy(meta, b.t.Annotations)
	maps.Copy(meta, b.t.Labels)
	meta[metaPattern], meta[metaName] = b.t.Pattern, b.t.Name
	return meta
}

// replicas of a group while nobody has scaled it.
func replicas(g *topology.Group) int {
	switch {
	case g.Identity == topology.ToCompletion && g.Completion != nil:
		return g.Completion.Count
	case g.Replicas == nil:
		return 1
	}
	return *g.Replicas
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
