package elections_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/leaderelection"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/scattergather"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workqueue"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Every pattern that runs developer containers takes elections.
func TestElectionsInOtherPatterns(t *testing.T) {
	const elects = `"elections": {"one": {"expose_leader": true}}, "elector": {"lease": {"profile": "fast"}}`
	for _, c := range []struct {
		name, group, service, record string
		spec                         patterns.Spec
		written                      string
	}{
		{
			"beside a sidecar", "main", "web-one", "election-one", &sidecar.Spec{},
			`{"name": "web", "replicas": 2, "main": {"image": "web:1", "ports": {"http": {"port": 8080}}}, "sidecars": {"helper": {"container": {"image": "helper:1"}}}, ` + elects + `}`,
		},
		{
			"among the workers of a stage", "make", "thumbs-make-one", "make-election-one", &workqueue.Spec{},
			`{"name": "thumbs", "source": {"list": {"a": ""}}, "stages": {"make": {"image": "make:1", "command": ["make"], "workers": {"min": 2}, "ports": {"status": {"port": 8081}}, ` + elects + `}}}`,
		},
		{
			"among the replicas of a shard", "leaf-2-1", "search-leaf-2-1-one", "leaf-2-1-election-one", &scattergather.Spec{},
			`{"name": "search", "merge": {"concat": {}}, "leaf": {"image": "leaf:1", "shards": 2, "replicas": 3, "ports": {"http": {"port": 8000}}, ` + elects + `}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, json.Unmarshal([]byte(c.written), c.spec))
			require.Empty(t, c.spec.Validate())
			top := c.spec.Topology(patternstest.Settings)
			at := slices.IndexFunc(top.Groups, func(g topology.Group) bool { return g.Name == c.group })
			require.GreaterOrEqual(t, at, 0)
			g := top.Groups[at]

			at = slices.IndexFunc(g.Containers, func(is topology.Container) bool { return is.Name == elections.ContainerName })
			require.GreaterOrEqual(t, at, 0)
			elector := g.Containers[at]
			for _, beside := range g.Containers[:at] {
				assert.Equal(t, topology.Init, beside.Role, "it starts before all that could ask it")
			}
			assert.Contains(t, g.Grants[len(g.Grants)-1].Names, c.record)
			assert.True(t, slices.ContainsFunc(g.Services, func(s topology.Service) bool { return s.Name == c.service }), "%v", g.Services)
			for _, is := range g.Containers {
				told := slices.ContainsFunc(is.Env, func(e topology.Env) bool { return e.Name == "PATTERN_ELECTOR" })
				assert.Equal(t, !is.Framework && is.Role != topology.Init, told, is.Name)
			}

			volume := g.Volumes[slices.IndexFunc(g.Volumes, func(v topology.Volume) bool { return v.Name == elector.Mounts[0].Volume })]
			file := top.Configs[slices.IndexFunc(top.Configs, func(c topology.Config) bool { return c.Name == volume.Config })].Files["config.json"]
			var is config.Config
			require.NoError(t, json.Unmarshal([]byte(file), &is))
			is.SetDefaults()
			require.NoError(t, is.Validate())
			assert.Equal(t, g.Grants[len(g.Grants)-1].Names, is.Records())
			assert.Equal(t, top.Name, is.Backend.Engine.Instance)
			assert.Len(t, is.Relay.Services, 1, "of the developer's ports alone")

			places, err := elections.Places(top)
			require.NoError(t, err)
			assert.Equal(t, elections.Place{Group: c.group, Election: "one"}, places[strings.TrimSuffix(c.record, "election-one")+"one"], "%v", places)
		})
	}
}

func TestPlacesOfElections(t *testing.T) {
	spec := &leaderelection.Spec{}
	require.NoError(t, json.Unmarshal([]byte(`{
		"name": "web", "replicas": 3, "identity": "stable", "main": {"image": "web:1"}, "elections": {"one": {}}, "election_sets": {"part": {"shards": 2}},
		"elector": {"backend": "raft"}
	}`), spec))
	require.Empty(t, spec.Validate())
	places, err := elections.Places(spec.Topology(patternstest.Settings))
	require.NoError(t, err)
	assert.Equal(t, map[string]elections.Place{
		"one":    {Group: "main", Election: "one", Raft: true},
		"part/0": {Group: "main", Election: "part/0", Raft: true},
		"part/1": {Group: "main", Election: "part/1", Raft: true},
	}, places)
}
