package nomad

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// drift is where the dry run would change the job, and where the variable is not as it should be.
func drift(t *topology.Topology, p *Plan, k topology.Key, diff *api.JobDiff, missing bool, s stored) (out []engine.Drift) {
	if missing {
		out = append(out, engine.Drift{Object: object(k), Field: "", Want: "present", Have: "missing"})
	} else {
		d := newDiffer(t, k)
		if s.record != nil {
			d.leaving = s.record.Leaving
		}
		d.job(diff)
		out = append(out, d.out...)
	}
	variable := "variable " + k.Namespace + "/" + p.Path
	if s.record == nil {
		out = append(out, engine.Drift{Object: variable, Field: recordItem, Want: "present", Have: "missing"})
	} else if want := t.Revision(); s.record.Revision != want {
		out = append(out, engine.Drift{Object: variable, Field: recordItem + ".revision", Want: want, Have: s.record.Revision})
	}
	for _, item := range sorted(p.Items) {
		have, there := s.items[item]
		switch {
		case !there:
			out = append(out, engine.Drift{Object: variable, Field: item, Want: engine.Digest(p.Items[item]), Have: "missing"})
		case have != p.Items[item]:
			out = append(out, engine.Drift{Object: variable, Field: item, Want: engine.Digest(p.Items[item]), Have: engine.Digest(have)})
		}
	}
	for _, i := range p.Secrets {
		if _, there := s.items[i.Item]; !there {
			out = append(out, engine.Drift{Object: variable, Field: i.Item, Want: "a value", Have: "missing"})
		}
	}
	slices.SortFunc(out, func(a, b engine.Drift) int {
		return strings.Compare(a.Object+" "+a.Field, b.Object+" "+b.Field)
	})
	return out
}

// differ walks a job's diff, whose Old is what the cluster has and New is what it should have.
type differ struct {
	object string
	scaled map[string]bool // groups whose count is an autoscaler's
	// leaving groups are there on purpose, until the others are ready.
	leaving []string
	out     []engine.Drift
}

func newDiffer(t *topology.Topology, k topology.Key) *differ {
	d := &differ{object: object(k), scaled: map[string]bool{}}
	for _, g := range t.Groups {
		d.scaled[g.Name] = scaled(g)
	}
	return d
}

func (d *differ) job(diff *api.JobDiff) {
	if diff == nil || diff.Type == "None" {
		return
	}
	d.fields("", diff.Fields)
	d.objects("", slices.DeleteFunc(slices.Clone(diff.Objects), func(o *api.ObjectDiff) bool {
		return o.Name == "UI" // see tryAgain
	}))
	for _, g := range diff.TaskGroups {
		at := "." + g.Name
		if g.Type == "Added" || g.Type == "Deleted" {
			if g.Type == "Deleted" && slices.Contains(d.leaving, g.Name) {
				continue
			}
			d.whole(at, g.Type)
			continue
		}
		for _, f := range g.Fields {
			if f.Name != "Count" || !d.scaled[g.Name] {
				d.field(at, f)
			}
		}
		d.objects(at, g.Objects)
		for _, t := range g.Tasks {
			if t.Type == "Added" || t.Type == "Deleted" {
				d.whole(at+"."+t.Name, t.Type)
				continue
			}
			d.fields(at+"."+t.Name, t.Fields)
			d.objects(at+"."+t.Name, t.Objects)
		}
	}
}

func (d *differ) whole(at, kind string) {
	want, have := "present", "missing"
	if kind == "Deleted" {
		want, have = have, want
	}
	d.out = append(d.out, engine.Drift{Object: d.object, Field: at, Want: want, Have: have})
}

func (d *differ) fields(at string, fields []*api.FieldDiff) {
	for _, f := range fields {
		d.field(at, f)
	}
}

// deadlines follow the time-out of the apply, which a refresh does not know.
var deadlines = []string{".Update.ProgressDeadline", ".Update.HealthyDeadline"}

// field of the diff. A mark is no drift: the checks that it stands for are compared themselves.
func (d *differ) field(at string, f *api.FieldDiff) {
	path := at + "." + f.Name
	if f.Type == "None" || f.Old == f.New || f.Name == "Meta["+metaChecks+"]" || slices.ContainsFunc(deadlines, func(s string) bool { return strings.HasSuffix(path, s) }) {
		return
	}
	show := shortForm
	if strings.HasPrefix(f.Name, "Env[") || f.Name == "EmbeddedTmpl" { // the configuration may call them sensitive
		show = engine.Digest
	}
	d.out = append(d.out, engine.Drift{Object: d.object, Field: path, Want: show(f.New), Have: show(f.Old)})
}

func (d *differ) objects(at string, objects []*api.ObjectDiff) {
	for _, o := range objects {
		if o.Type == "None" {
			continue
		}
		d.fields(at+"."+o.Name, o.Fields)
		d.objects(at+"."+o.Name, o.Objects)
	}
}

// shortForm of a value, on one line.
func shortForm(s string) string {
	const most = 60
	if s == "" {
		return "nothing"
	}
	if len(s) > most {
		return fmt.Sprintf("%q... (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// unchanged tells whether the dry run leaves the tasks of a group alone.
func unchanged(diff *api.JobDiff, group string) bool {
	if diff == nil {
		return true
	}
	for _, g := range diff.TaskGroups {
		if g.Name == group {
			return g.Type == "None" || len(g.Tasks) == 0 || !slices.ContainsFunc(g.Tasks, func(t *api.TaskDiff) bool { return t.Type != "None" })
		}
	}
	return true
}

// liveCount is the count that the cluster has: what the dry run would change, or what was asked for.
func liveCount(diff *api.JobDiff, group string, asked int) int {
	if diff == nil {
		return asked
	}
	for _, g := range diff.TaskGroups {
		if g.Name != group {
			continue
		}
		for _, f := range g.Fields {
			if n, err := strconv.Atoi(f.Old); f.Name == "Count" && err == nil {
				return n
			}
		}
	}
	return asked
}
