package nomad

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Extras are what only Nomad has, as a user writes it below `nomad`. Names are those of Nomad's job specification.
type Extras struct {
	// Datacenters may hold globs; all by default. With NodePool and Priority they are the job's, so all groups of an
	// instance must agree.
	Datacenters []string          `json:"datacenters,omitempty"`
	NodePool    string            `json:"node_pool,omitempty"`
	Priority    int               `json:"priority,omitempty"`
	Constraints []Constraint      `json:"constraints,omitempty"`
	Affinities  []Affinity        `json:"affinities,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	// Driver is "docker".
	Driver string `json:"driver,omitempty"`
}

// Constraint that a node must fulfil: `${attr.cpu.arch}`, "=", "amd64".
type Constraint struct {
	Attribute string `json:"attribute,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Value     string `json:"value,omitempty"`
}

// Affinity draws to a node, or away from it by a negative weight.
type Affinity struct {
	Attribute string `json:"attribute,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Value     string `json:"value,omitempty"`
	Weight    int    `json:"weight,omitempty"`
}

// extrasOf reads a group's extras strictly.
func extrasOf(g *topology.Group) (Extras, fault.List) {
	var x Extras
	var l fault.List
	raw := g.Extras[Name]
	if len(raw) == 0 || string(raw) == "null" {
		return x, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		l.Add(Name, "%v: write datacenters, node_pool, priority, constraints, affinities, meta and driver as Nomad's job specification has them", err)
		return x, l
	}
	if _, err := d.Token(); err != io.EOF {
		l.Add(Name, "must be one object")
	}
	return x, append(l, x.faults()...)
}

// operators of constraints and affinities.
var operators = []string{
	"", "=", "==", "is", "!=", "not", ">", ">=", "<", "<=", "distinct_hosts", "distinct_property", "regexp",
	"set_contains", "set_contains_any", "version", "semver", "is_set", "is_not_set",
}

func (x Extras) faults() (l fault.List) {
	if x.Driver != "" && x.Driver != "docker" {
		l.Add("nomad.driver", "must be \"docker\", got %q: images are run by no other driver here", x.Driver)
	}
	if x.Priority < 0 || x.Priority > 100 {
		l.Add("nomad.priority", "must be 1 to 100, got %d", x.Priority)
	}
	for i, c := range x.Constraints {
		at := fault.At("nomad.constraints", i)
		if !slices.Contains(operators, c.Operator) {
			l.Add(at+".operator", "%q is not one of Nomad's operators", c.Operator)
		}
		if c.Attribute == "" && c.Operator != "distinct_hosts" {
			l.Add(at+".attribute", "must not be empty, except with the operator distinct_hosts")
		}
	}
	for i, a := range x.Affinities {
		at := fault.At("nomad.affinities", i)
		if !slices.Contains(operators, a.Operator) {
			l.Add(at+".operator", "%q is not one of Nomad's operators", a.Operator)
		}
		if a.Attribute == "" {
			l.Add(at+".attribute", "must not be empty")
		}
		if a.Weight == 0 || a.Weight < -100 || a.Weight > 100 {
			l.Add(at+".weight", "must be -100 to 100 and not 0, got %d", a.Weight)
		}
	}
	return l
}

// jobExtras are the extras that only a job has, and the faults of all groups.
func jobExtras(t *topology.Topology) (Extras, fault.List) {
	var job Extras
	var l fault.List
	for i := range t.Groups {
		x, faults := extrasOf(&t.Groups[i])
		l = append(l, faults...)
		if len(x.Datacenters) > 0 {
			if len(job.Datacenters) > 0 && !reflect.DeepEqual(job.Datacenters, x.Datacenters) {
				l.Add("nomad.datacenters", "must be the same in all groups of an instance, which is one job")
			}
			job.Datacenters = x.Datacenters
		}
		if x.NodePool != "" {
			if job.NodePool != "" && job.NodePool != x.NodePool {
				l.Add("nomad.node_pool", "must be the same in all groups of an instance, which is one job")
			}
			job.NodePool = x.NodePool
		}
		job.Priority = max(job.Priority, x.Priority)
	}
	if len(job.Datacenters) == 0 {
		job.Datacenters = []string{"*"}
	}
	return job, l
}

func (x Extras) constraints() (out []*api.Constraint) {
	for _, c := range x.Constraints {
		operator := c.Operator
		if operator == "" {
			operator = "="
		}
		out = append(out, &api.Constraint{LTarget: c.Attribute, Operand: operator, RTarget: c.Value})
	}
	return out
}

func (x Extras) affinities() (out []*api.Affinity) {
	for _, a := range x.Affinities {
		operator := a.Operator
		if operator == "" {
			operator = "="
		}
		out = append(out, &api.Affinity{LTarget: a.Attribute, Operand: operator, RTarget: a.Value, Weight: new(int8(a.Weight))})
	}
	return out
}
