package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func edited(name, old, now string) *api.FieldDiff {
	return &api.FieldDiff{Type: "Edited", Name: name, Old: old, New: now}
}

func TestDriftIsWhatTheDryRunWouldChange(t *testing.T) {
	k := topology.Key{Pattern: "sidecar", Namespace: "apps", Name: "web"}
	for _, tc := range []struct {
		name string
		top  *topology.Topology
		diff *api.JobDiff
		want []string
	}{
		{"nothing", minimal(), &api.JobDiff{Type: "None"}, nil},
		{"the count of a fixed group", minimal(), &api.JobDiff{Type: "Edited", TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "main", Fields: []*api.FieldDiff{edited("Count", "5", "1")}}}},
			[]string{`job apps/web .main.Count: want "1", have "5"`}},
		{"the count of an autoscaler's group", autoscaled(), &api.JobDiff{Type: "Edited", TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "main", Fields: []*api.FieldDiff{edited("Count", "5", "1")}}}}, nil},
		{"the deadlines of another apply", minimal(), &api.JobDiff{Type: "Edited", TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "main", Objects: []*api.ObjectDiff{
			{Type: "Edited", Name: "Update", Fields: []*api.FieldDiff{edited("ProgressDeadline", "1", "2"), edited("HealthyDeadline", "1", "2"), edited("MaxParallel", "1", "2")}},
		}}}}, []string{`job apps/web .main.Update.MaxParallel: want "2", have "1"`}},
		{"a task that somebody added, and one that is gone", minimal(), &api.JobDiff{Type: "Edited", TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "main", Tasks: []*api.TaskDiff{{Type: "Deleted", Name: "spy"}, {Type: "Added", Name: "main"}}}}},
			[]string{"job apps/web .main.main: want present, have missing", "job apps/web .main.spy: want missing, have present"}},
		{"a mark that another provider made", minimal(), &api.JobDiff{Type: "Edited", TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "main", Fields: []*api.FieldDiff{{Type: "Added", Name: "Meta[" + metaChecks + "]", New: "1"}, edited("Meta[owner]", "x", "y")}}}},
			[]string{`job apps/web .main.Meta[owner]: want "y", have "x"`}},
		{"a field deep inside", minimal(), &api.JobDiff{Type: "Edited", Objects: []*api.ObjectDiff{{Type: "None", Name: "Quiet", Fields: []*api.FieldDiff{edited("X", "1", "2")}}}, TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "main", Tasks: []*api.TaskDiff{
			{Type: "Edited", Name: "main", Objects: []*api.ObjectDiff{{Type: "Edited", Name: "Service", Objects: []*api.ObjectDiff{{Type: "Edited", Name: "Check", Fields: []*api.FieldDiff{edited("Path", "", "/")}}}}}},
		}}}}, []string{`job apps/web .main.main.Service.Check.Path: want "/", have nothing`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Translate(tc.top, Options{})
			require.NoError(t, err)
			var got []string
			for _, d := range drift(tc.top, p, k, tc.diff, false, stored{record: &record{Revision: tc.top.Revision()}}) {
				got = append(got, d.String())
			}
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestABatchJobThatNomadHasForgottenIsNotRunAgain(t *testing.T) {
	top := batch()
	p, err := Translate(top, Options{})
	require.NoError(t, err)
	s := stored{record: &record{Revision: top.Revision(), Complete: true}}
	assert.True(t, finished(p, top, s))
	k := topology.Key{Namespace: "apps", Name: "web"}
	o := &engine.Observation{Groups: map[string]engine.GroupStatus{}, Drift: drift(top, p, k, nil, true, s), Objects: objects(p, k)}
	forgotten(top, o)
	assert.Empty(t, o.Drift)
	assert.Equal(t, engine.GroupStatus{Desired: 4, Ready: 4, Updated: 4}, o.Groups["main"])

	assert.False(t, finished(p, top, stored{record: &record{Revision: top.Revision()}}), "it had not come to its end")
	assert.False(t, finished(p, top, stored{record: &record{Revision: "another", Complete: true}}))
	q, err := Translate(minimal(), Options{})
	require.NoError(t, err)
	assert.False(t, finished(q, minimal(), stored{record: &record{Revision: minimal().Revision(), Complete: true}}), "a service is to be there")
}
