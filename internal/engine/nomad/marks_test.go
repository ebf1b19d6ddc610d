package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// translated gives the job of an instance after a change of its main group, and the group's mark.
func translated(t *testing.T, top *topology.Topology, change func(g *topology.Group)) (*api.Job, string) {
	t.Helper()
	if change != nil {
		change(&top.Groups[0])
	}
	p, err := Translate(top, Options{})
	require.NoError(t, err)
	return p.Job, p.Job.TaskGroups[0].Meta[metaChecks]
}

func TestOnlyOtherChecksGiveAGroupAnotherMark(t *testing.T) {
	_, was := translated(t, full(), nil)
	require.NotEmpty(t, was)
	readiness := func(change func(p *topology.Probe)) func(g *topology.Group) {
		return func(g *topology.Group) { change(g.Containers[1].Probes.Readiness) }
	}
	for _, tc := range []struct {
		name    string
		change  func(g *topology.Group)
		another bool
	}{
		{"a period", readiness(func(p *topology.Probe) { p.PeriodSeconds++ }), true},
		{"a time-out", readiness(func(p *topology.Probe) { p.TimeoutSeconds++ }), true},
		{"a path", readiness(func(p *topology.Probe) { p.HTTP.Path = "/other" }), true},
		{"a port", readiness(func(p *topology.Probe) { p.HTTP.Port = "local" }), true},
		{"a scheme", readiness(func(p *topology.Probe) { p.HTTP.Scheme = "http" }), true},
		{"a type", readiness(func(p *topology.Probe) { p.HTTP, p.TCP = nil, &topology.TCPAction{Port: "http"} }), true},
		{"a probe less", func(g *topology.Group) { g.Containers[1].Probes.Liveness = nil }, true},
		{"a companion's probe", func(g *topology.Group) { g.Containers[0].Probes.Startup.PeriodSeconds++ }, true},
		{"when a failed probe restarts", func(g *topology.Group) { g.Containers[1].Probes.Liveness.FailureThreshold++ }, false},
		{"a service more", func(g *topology.Group) {
			g.Services = append(g.Services, topology.Service{Name: "aaa", Ports: g.Services[0].Ports})
		}, false},
		{"replicas", func(g *topology.Group) { g.Replicas = nil }, false},
		{"a deadline", func(g *topology.Group) { g.Update.ProgressSeconds++ }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, now := translated(t, full(), tc.change)
			assert.Equal(t, tc.another, was != now)
		})
	}
	job, _ := translated(t, full(), nil)
	assert.Equal(t, "x", job.TaskGroups[0].Meta["owner"], "the user's meta stays")
	_, bare := translated(t, minimal(), nil)
	assert.NotEmpty(t, bare, "none means a provider that knew no marks")
	_, none := translated(t, batch(), func(g *topology.Group) {
		c := &full().Groups[0].Containers[0]
		g.Containers[0].Ports, g.Containers[0].Probes = c.Ports, c.Probes
	})
	assert.Empty(t, none, "its work would begin anew")
}

func TestAMarkIsKeptAsLongAsItsChecks(t *testing.T) {
	without := func(g *topology.Group) {
		for i := range g.Containers {
			g.Containers[i].Probes = topology.Probes{}
		}
	}
	other := func(g *topology.Group) { g.Containers[1].Probes.Readiness.PeriodSeconds++ }
	_, first := translated(t, full(), nil)
	_, second := translated(t, full(), other)
	_, bare := translated(t, full(), without)
	for _, tc := range []struct {
		name    string
		was     func(g *topology.Group)
		had     string
		now     func(g *topology.Group)
		want    string
		another bool // than it had, and none that a translation gives
	}{
		{name: "the same checks", had: first, want: first},
		{name: "the same checks of a provider that knew no marks", had: "", want: ""},
		{name: "the same checks of a provider that made other marks", had: "made otherwise", want: "made otherwise"},
		{name: "other checks", had: first, now: other, want: second},
		{name: "other checks than those of a provider that knew no marks", had: "", now: other, want: second},
		{name: "the former checks again", was: other, had: second, want: first},
		{name: "no checks any more", had: first, now: without, want: bare},
		{name: "no checks any more, after those of a provider that knew no marks", had: "", now: without, want: bare},
		{name: "the first checks", was: without, had: bare, want: first},
		{name: "the first checks after none of a provider that knew no marks", was: without, had: "", want: first},
		{name: "checks that somebody has changed by hand", was: other, had: first, another: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			was, _ := translated(t, full(), tc.was)
			setMark(was.TaskGroups[0], tc.had)
			job, _ := translated(t, full(), tc.now)
			keepMarks(job, was)
			got := job.TaskGroups[0].Meta[metaChecks]
			if !tc.another {
				assert.Equal(t, tc.want, got)
				return
			}
			assert.NotContains(t, []string{tc.had, first, second, ""}, got)
			again, _ := translated(t, full(), tc.now)
			keepMarks(again, job)
			assert.Equal(t, got, again.TaskGroups[0].Meta[metaChecks], "and then it stays")
		})
	}
	job, now := translated(t, full(), nil)
	keepMarks(job, nil)
	assert.Equal(t, now, job.TaskGroups[0].Meta[metaChecks], "a new job")
	was, _ := translated(t, full(), nil)
	was.TaskGroups[0].Name = new("another")
	keepMarks(job, was)
	assert.Equal(t, now, job.TaskGroups[0].Meta[metaChecks], "a new group")
}
