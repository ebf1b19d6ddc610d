package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func jobOf(groups ...*api.TaskGroup) *api.Job {
	return &api.Job{ID: new("web"), Type: new(api.JobTypeService), Status: new("running"), TaskGroups: groups}
}

func groupOf(name string, change ...func(*api.TaskGroup)) *api.TaskGroup {
	g := &api.TaskGroup{Name: new(name), Count: new(3), Update: &api.UpdateStrategy{MaxParallel: new(1), Canary: new(1), AutoPromote: new(true)}}
	for _, c := range change {
		c(g)
	}
	return g
}

func TestAGroupThatGoesIsRegisteredWithTheNewOnes(t *testing.T) {
	port := func(g *api.TaskGroup) {
		g.Networks = []*api.NetworkResource{{ReservedPorts: []api.Port{{Label: "http", Value: 30080}}}}
	}
	volume := func(mode string) func(*api.TaskGroup) {
		return func(g *api.TaskGroup) {
			g.Volumes = map[string]*api.VolumeRequest{"data": {Type: "host", Source: "disk", AccessMode: mode}}
		}
	}
	with := func(job *api.Job, change func(*api.Job)) *api.Job { change(job); return job }
	for _, c := range []struct {
		name     string
		job, was *api.Job
		want     []string
	}{
		{"nothing ran", jobOf(groupOf("new")), nil, []string{"new"}},
		{"the same groups", jobOf(groupOf("main")), jobOf(groupOf("main")), []string{"main"}},
		{"another group", jobOf(groupOf("main"), groupOf("new")), jobOf(groupOf("main"), groupOf("old")), []string{"main", "new", "old"}},
		{"a job that was stopped", jobOf(groupOf("new")), with(jobOf(groupOf("old")), func(j *api.Job) { j.Stop = new(true) }), []string{"new"}},
		{"a job that has ended", jobOf(groupOf("new")), with(jobOf(groupOf("old")), func(j *api.Job) { j.Status = new("dead") }), []string{"new"}},
		{"a batch job", with(jobOf(groupOf("new")), func(j *api.Job) { j.Type = new("batch") }), with(jobOf(groupOf("old")), func(j *api.Job) { j.Type = new("batch") }), []string{"new"}},
		{"the machine's own port", jobOf(groupOf("new", port)), jobOf(groupOf("old", port)), []string{"new"}},
		{"a disk of one machine", jobOf(groupOf("new", volume(""))), jobOf(groupOf("old", volume(""))), []string{"new"}},
		{"a disk of many machines", jobOf(groupOf("new", volume("multi-node-multi-writer"))), jobOf(groupOf("old", volume("multi-node-multi-writer"))), []string{"new", "old"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := len(c.job.TaskGroups)
			got := withLeaving(c.job, c.was)
			var names []string
			for _, g := range got.TaskGroups {
				names = append(names, *g.Name)
				if !hasGroup(c.job, *g.Name) {
					assert.Zero(t, *g.Update.MaxParallel, "it is no part of the deployment")
					assert.Equal(t, 3, *g.Count)
				}
			}
			assert.Equal(t, c.want, names)
			assert.Len(t, c.job.TaskGroups, asked, "the job itself stays as it is")
			if c.was != nil {
				assert.Equal(t, 1, *c.was.TaskGroups[0].Update.MaxParallel, "and so does what was read")
			}
		})
	}
}

func TestAGroupThatGoesIsNoDriftWhileItIsMeantToBeThere(t *testing.T) {
	top := &topology.Topology{Name: "web", Groups: []topology.Group{{Name: "new"}}}
	diff := &api.JobDiff{Type: "Edited", TaskGroups: []*api.TaskGroupDiff{{Type: "Deleted", Name: "old"}, {Type: "Deleted", Name: "theirs"}}}
	s := stored{record: &record{Revision: top.Revision(), Leaving: []string{"old"}}}
	var fields []string
	for _, d := range drift(top, &Plan{Items: map[string]string{}}, top.Key(), diff, false, s) {
		fields = append(fields, d.Field)
	}
	assert.Equal(t, []string{".theirs"}, fields)
}
