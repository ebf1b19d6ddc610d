package nomad

import (
	"bytes"
	"strings"
	"testing"
	tt "text/template"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestCPUAndMemoryInNomadsUnits(t *testing.T) {
	type amounts = topology.Amounts
	for _, tc := range []struct {
		name             string
		requests, limits amounts
		cpu, memory, max int // max 0: not set
		hard             bool
	}{
		{name: "nothing is asked for", cpu: 25, memory: 128, max: -1},
		{name: "requests alone are no limits", requests: amounts{MilliCPU: 500, MemoryBytes: 64 << 20}, cpu: 1250, memory: 64, max: -1},
		{name: "limits alone are requests, too", limits: amounts{MilliCPU: 500, MemoryBytes: 64 << 20}, cpu: 1250, memory: 64, hard: true},
		{name: "both", requests: amounts{MilliCPU: 500, MemoryBytes: 64 << 20}, limits: amounts{MilliCPU: 1000, MemoryBytes: 128 << 20}, cpu: 1250, memory: 64, max: 128},
		{name: "equal ones are hard", requests: amounts{MilliCPU: 1000, MemoryBytes: 1 << 30}, limits: amounts{MilliCPU: 1000, MemoryBytes: 1 << 30}, cpu: 2500, memory: 1024, hard: true},
		{name: "fractions are rounded up", requests: amounts{MilliCPU: 1, MemoryBytes: 20<<20 + 1}, cpu: 3, memory: 21, max: -1},
		{name: "Nomad's own minimum", requests: amounts{MemoryBytes: 1}, cpu: 25, memory: 10, max: -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := &builder{options: Options{MHzPerCore: 2500}}
			r := topology.Resources{Requests: tc.requests, Limits: tc.limits}
			got := b.resources(r)
			assert.Equal(t, tc.cpu, *got.CPU)
			assert.Equal(t, tc.memory, *got.MemoryMB)
			if tc.max == 0 {
				assert.Nil(t, got.MemoryMaxMB)
			} else {
				assert.Equal(t, tc.max, *got.MemoryMaxMB)
			}
			assert.Equal(t, tc.hard, hardCPU(r))
		})
	}
}

func TestACoreIsTheMeanOfTheNodesThatTheJobMayUse(t *testing.T) {
	node := func(dc, pool, status string, shares int64, cores uint16) *api.NodeListStub {
		return &api.NodeListStub{Datacenter: dc, NodePool: pool, Status: status, NodeResources: &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: shares, TotalCpuCores: cores}}}
	}
	nodes := []*api.NodeListStub{
		node("eu-1", "default", "ready", 8000, 4), node("eu-2", "default", "ready", 6000, 2),
		node("us-1", "default", "ready", 100, 1), node("eu-1", "gpu", "ready", 9000, 1), node("eu-1", "default", "down", 1, 1), {Status: "ready", Datacenter: "eu-1"},
	}
	assert.Equal(t, 14000/6, mean(nodes, []string{"eu-*"}, "default"))
	assert.Equal(t, 9000, mean(nodes, []string{"*"}, "gpu"))
	assert.Equal(t, 23100/8, mean(nodes, []string{"*"}, "all"))
	assert.Zero(t, mean(nodes, []string{"mars"}, ""))
}

// A template renders to its content, whatever delimiters are in there.
func TestVerbatimTemplatesRenderToTheirContent(t *testing.T) {
	for _, content := range []string{"", "plain", "{{ .X }}", "<0{ {{", "a {{- b -}} <0{<1{", "}}", "{{/* */}}", "${x} %{y} `z`", "{", "{{{{{"} {
		got := verbatim(content, "a", "0444")
		require.NotEmpty(t, *got.EmbeddedTmpl, "Nomad refuses an empty template")
		tmpl, err := tt.New("").Delims(*got.LeftDelim, *got.RightDelim).Parse(*got.EmbeddedTmpl)
		require.NoError(t, err, content)
		var out bytes.Buffer
		require.NoError(t, tmpl.Execute(&out, nil))
		assert.Equal(t, content, out.String())
	}
}

func TestOnlyWhatAContainerReadsRestartsItWithAnotherVersionOfASecret(t *testing.T) {
	text := func(version string) (string, string) {
		top := withSecrets()
		top.Secrets[0].Version = version
		top.Groups[0].Containers = append(top.Groups[0].Containers, topology.Container{Name: "side", Role: topology.Companion, Image: "x",
			Env: []topology.Env{{Name: "K", Secret: &topology.SecretKey{Name: "made", Key: "key", Own: true}}}})
		p, err := Translate(top, Options{})
		require.NoError(t, err)
		var out []string
		for _, task := range p.Job.TaskGroups[0].Tasks {
			s := ""
			for _, tm := range task.Templates {
				s += *tm.EmbeddedTmpl
			}
			out = append(out, s)
		}
		return out[0], out[1]
	}
	mainA, sideA := text("1")
	mainB, sideB := text("2")
	assert.NotEqual(t, mainA, mainB)
	assert.Equal(t, sideA, sideB)
}

func TestACommentCannotBeLeftByAVersion(t *testing.T) {
	b := &builder{t: &topology.Topology{Secrets: []topology.Secret{{Name: "a", Version: "*/}}{{ key \"x\" }}"}}}}
	tmpl, err := tt.New("").Parse(b.versionComment([]string{"a"}))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, tmpl.Execute(&out, nil))
	assert.Empty(t, out.String())
}

func TestNamesOfServicesFitIntoALabel(t *testing.T) {
	long := strings.Repeat("a", 40)
	s := topology.Service{Name: long + "-node", Ports: []topology.ServicePort{{Name: "administration"}, {Name: "http"}}}
	seen := map[string]bool{}
	for _, p := range s.Ports {
		for _, index := range []int{0, 9999} {
			name := IndexedServiceName(s, p, index)
			assert.LessOrEqual(t, len(name), 63)
			assert.False(t, seen[name])
			seen[name] = true
		}
	}
	assert.Equal(t, "web", ServiceName(topology.Service{Name: "web", Ports: s.Ports[:1]}, s.Ports[0]))
	assert.NotEqual(t, short(long+long), short(long+long+"b"))
}

func TestAnAutoscalersCountIsKeptUnlessTheJobWasStopped(t *testing.T) {
	top := autoscaled()
	fixed := minimal().Groups[0]
	fixed.Name = "fixed"
	top.Groups = append(top.Groups, fixed)
	plan := func() *api.Job {
		p, err := Translate(top, Options{})
		require.NoError(t, err)
		return p.Job
	}
	was := plan()
	was.TaskGroups[0].Count, was.TaskGroups[1].Count = new(7), new(7)
	job := plan()
	keepCounts(top, job, was)
	assert.Equal(t, map[string]int{"main": 7, "fixed": 1}, groupCounts(job))
	was.Stop = new(true)
	job = plan()
	keepCounts(top, job, was)
	assert.Equal(t, map[string]int{"main": 1, "fixed": 1}, groupCounts(job))
	keepCounts(top, job, nil)
}

func TestTheTokenGoesToTheFramework(t *testing.T) {
	g := granted().Groups[0]
	assert.True(t, tokenFor(&g, &g.Containers[0]))
	assert.False(t, tokenFor(&g, &g.Containers[1]), "not to the developer's")
	g.Containers[0].Framework = false
	assert.True(t, tokenFor(&g, &g.Containers[1]), "unless there is no other")
	g.Grants = nil
	assert.False(t, tokenFor(&g, &g.Containers[0]))
}
