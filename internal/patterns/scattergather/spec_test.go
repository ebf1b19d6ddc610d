package scattergather

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gatherer "github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// search is a tree of depth 2 with a merge container, as JSON names it.
const search = `{
	"name": "search", "namespace": "shop",
	"leaf": {
		"image": "registry.example/leaf:1", "shards": 8, "replicas": 2, "ports": {"http": {"port": 8000}},
		"probes": {"readiness": {"http": {"port": "http", "path": "/ready"}}},
		"volumes": {"index": {"ephemeral": {}}, "settings": {"config": {"files": {"a": "b"}}}},
		"mounts": {"index": {"path": "/index"}, "settings": {"path": "/settings"}},
		"init": [{"name": "load", "image": "registry.example/load:1"}],
		"sidecars": {"watch": {"container": {"image": "registry.example/watch:1"}}}
	},
	"merge": {"container": {"image": "registry.example/merge:1", "port": 9000, "volumes": {"script": {"config": {"files": {"merge.py": "pass"}}}}, "mounts": {"script": {"path": "/script"}}}},
	"fan_out": 4,
	"policy": {"require": "6", "hedge": {"after": "p95", "budget": 0.05}, "deadline": "1s"}
}`

const targets = `{"leaf": null, "targets": {"b": {"url": "http://b.example"}, "a": {"url": "http://a.example:81/x"}}, "policy": {"require": null}}`

// spec is the tree with a JSON merge patch (RFC 7396) on top.
func spec(t *testing.T, patch string) *Spec {
	t.Helper()
	s := &Spec{}
	patternstest.Patch(t, s, search, patch)
	return s
}

func TestValidateNamesThePathOfEveryFault(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		want        []string
	}{
		{"nothing is wrong", `{}`, nil},
		{"targets", targets, nil},
		{"both leaves and targets", `{"targets": {"a": {"url": "http://a"}}}`, []string{"leaf"}},
		{"neither", `{"leaf": null}`, []string{"leaf"}},
		{"no target", `{"leaf": null, "targets": {}}`, []string{"targets"}},
		{"a target without HTTP", `{"leaf": null, "targets": {"a": {"url": "ftp://a"}}, "policy": {"require": null}}`, []string{`targets["a"].url`}},
		{"no shards", `{"leaf": {"shards": 0}}`, []string{"leaf.shards"}},
		{"too many shards", `{"leaf": {"shards": 1025}}`, []string{"leaf.shards"}},
		{"no replica", `{"leaf": {"replicas": 0}}`, []string{"leaf.replicas"}},
		{"no ports", `{"leaf": {"ports": null, "probes": null}}`, []string{"leaf.ports"}},
		{"a port that is not there", `{"leaf": {"port": "grpc"}}`, []string{"leaf.port"}},
		{"one of several ports", `{"leaf": {"ports": {"admin": {"port": 81}}}}`, []string{"leaf.port"}},
		{"a named one of several ports", `{"leaf": {"port": "http", "ports": {"admin": {"port": 81}}}}`, nil},
		{"a port of UDP", `{"leaf": {"ports": {"http": {"protocol": "udp"}}}}`, []string{"leaf.port"}},
		{"another protocol", `{"leaf": {"protocol": "h3"}}`, []string{"leaf.protocol"}},
		{"another identity", `{"leaf": {"identity": "unique"}}`, []string{"leaf.identity"}},
		{"a variable of the framework's", `{"leaf": {"env": {"PATTERN_SHARD": "1"}, "sidecars": {"watch": {"container": {"env": {"PATTERN_REPLICA": "1"}}}}}}`, []string{`leaf.env["PATTERN_SHARD"]`, `leaf.sidecars["watch"].container.env["PATTERN_REPLICA"]`}},
		{"a mount of no volume", `{"leaf": {"mounts": {"v": {"path": "/v"}}}}`, []string{`leaf.mounts["v"]`}},
		{"a leaf's wrong image", `{"leaf": {"image": "Leaf One"}}`, []string{"leaf.image"}},
		{"a key that an own secret does not have", `{"secrets": {"s": {"generate": {"k": 32}}}, "leaf": {"secret_env": {"A": {"secret": "s", "key": "x"}}}}`, []string{`leaf.secret_env["A"].key`}},
		{"fan-out of one", `{"fan_out": 1}`, []string{"fan_out"}},
		{"no merge", `{"merge": null}`, []string{"merge"}},
		{"two merges", `{"merge": {"sum": {}}}`, []string{"merge"}},
		{"top_k of nothing", `{"merge": {"container": null, "top_k": {"k": 0, "by": ""}}}`, []string{"merge.top_k.k", "merge.top_k.by"}},
		{"the gatherer's own port", `{"merge": {"container": {"port": 8080}}}`, []string{"merge.container.port"}},
		{"the gatherer's management port", `{"merge": {"container": {"port": 9464}}}`, []string{"merge.container.port"}},
		{"no port at all", `{"merge": {"container": {"port": 0}}}`, []string{"merge.container.port"}},
		{"a path without a slash", `{"merge": {"container": {"path": "merge"}}}`, []string{"merge.container.path"}},
		{"another format", `{"merge": {"container": {"format": "xml"}}}`, []string{"merge.container.format"}},
		{"the framework's own volume", `{"merge": {"container": {"volumes": {"pattern-x": {"ephemeral": {}}}}}}`, []string{`merge.container.volumes["pattern-x"]`}},
		{"one disk for two roots", `{"merge": {"container": {"volumes": {"v": {"persistent": {"size": "1Gi"}}}}}}`, []string{`merge.container.volumes["v"].persistent.shared`}},
		{"a probe of no port", `{"merge": {"container": {"probes": {"readiness": {"tcp": {"port": "http"}}}}}}`, []string{"merge.container.probes.readiness.tcp.port"}},
		{"a quorum of more than all", `{"policy": {"require": "9"}}`, []string{"policy.require"}},
		{"a fraction above one", `{"policy": {"require": "1.5"}}`, []string{"policy.require"}},
		{"neither word nor number", `{"policy": {"require": "most"}}`, []string{"policy.require"}},
		{"a hedge without another replica", `{"leaf": {"replicas": 1}}`, []string{"policy.hedge"}},
		{"a hedge of targets", strings.Replace(targets, `"require": null`, `"require": null, "hedge": {}`, 1), nil},
		{"a deadline below the hedge's delay", `{"policy": {"hedge": {"after": "1s"}}}`, []string{"policy.hedge.after"}},
		{"a budget of nothing", `{"policy": {"hedge": {"budget": 0}}}`, []string{"policy.hedge.budget"}},
		{"a budget of more than half", `{"policy": {"hedge": {"budget": 0.6}}}`, []string{"policy.hedge.budget"}},
		{"numbers of nothing", `{"policy": {"deadline": "0s", "hedge": null, "concurrency": 0, "outstanding": 0, "breaker": {"failures": 0, "probe": "0s", "probe_max": "0s"}}}`, []string{"policy.deadline", "policy.concurrency", "policy.outstanding", "policy.breaker.failures", "policy.breaker.probe", "policy.breaker.probe_max"}},
		{"none wait", `{"policy": {"queue": 0, "retries": 0}}`, nil},
		{"a cache for no time", `{"policy": {"cache": {"ttl": "0s"}}}`, []string{"policy.cache.ttl"}},
		{"a cache of no size", `{"policy": {"cache": {"ttl": "1s", "size": "0"}}}`, []string{"policy.cache.size"}},
		{"pruned by two things", `{"policy": {"prune": {"header": "X", "path": "/{shards}"}}}`, []string{"policy.prune"}},
		{"pruned by nothing", `{"policy": {"prune": {}}}`, []string{"policy.prune"}},
		{"a path that names nothing", `{"policy": {"prune": {"path": "/x"}}}`, []string{"policy.prune.path"}},
		{"limits of nothing", `{"limits": {"part_size": "0", "connections": 0}}`, []string{"limits.part_size", "limits.connections"}},
		{"tracing to nowhere", `{"tracing": {"endpoint": "collector", "sample": 2}}`, []string{"tracing.endpoint", "tracing.sample"}},
		{"no root", `{"root": {"replicas": 0}}`, []string{"root.replicas"}},
		{"no parents", `{"parents": {"replicas": 0}}`, []string{"parents.replicas"}},
		{"a parent's limit below its request", `{"parents": {"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "32Mi"}}}}`, []string{"parents.resources.limits.memory"}},
		{"a root's wrong image", `{"root": {"image": "a:b:c"}}`, []string{"root.image"}},
		{"a reach that there is not", `{"root": {"expose": {"reach": "moon"}}}`, []string{"root.expose.reach"}},
		{"a node port without its reach", `{"root": {"expose": {"node_port": 30080}}}`, []string{"root.expose.node_port"}},
		{"a secret without values is said once", `{"secrets": {"s": {"values_wo": {"k": "v"}}}}`, []string{`secrets["s"]`, `secrets["s"].values_wo_version`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range spec(t, c.patch).Validate() {
				got = append(got, f.Path)
				assert.NotEmpty(t, f.Message)
			}
			assert.ElementsMatch(t, c.want, got)
		})
	}
}

func TestATreeIsEven(t *testing.T) {
	for _, c := range []struct {
		shards, fanOut int
		want           []int
	}{
		{1, 16, []int{1, 1}}, {16, 16, []int{1, 16}}, {17, 16, []int{1, 2, 17}}, {8, 4, []int{1, 2, 8}}, {8, 2, []int{1, 2, 4, 8}},
		{9, 2, []int{1, 2, 3, 5, 9}}, {256, 16, []int{1, 16, 256}}, {257, 16, []int{1, 2, 17, 257}}, {1024, 2, []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}},
	} {
		tr := newTree(c.shards, c.fanOut)
		assert.Equal(t, c.want, tr.levels)
		assert.Equal(t, len(c.want)-1, tr.depth())
		for level := range tr.depth() {
			next, nextShard, least, most := 0, 0, c.shards, 0
			for i := range tr.levels[level] {
				first, last := tr.children(level, i)
				assert.Equal(t, next, first, "no child is left out, and none has two parents")
				least, most = min(least, last-first), max(most, last-first)
				next = last
				from, to := tr.shardsBelow(level, i)
				assert.Equal(t, nextShard, from)
				nextShard = to
			}
			assert.Equal(t, tr.levels[level+1], next)
			assert.Equal(t, c.shards, nextShard)
			assert.LessOrEqual(t, most, c.fanOut)
			assert.LessOrEqual(t, most-least, 1)
			assert.Positive(t, least)
		}
	}
}

func groups(top *topology.Topology) map[string]topology.Group {
	out := map[string]topology.Group{}
	for _, g := range top.Groups {
		out[g.Name] = g
	}
	return out
}

// files of the gatherer of a group.
func configOf(t *testing.T, top *topology.Topology, group topology.Group) (name string, c gatherer.Config) {
	t.Helper()
	for _, v := range group.Volumes {
		if v.Name != configVolume {
			continue
		}
		for _, f := range top.Configs {
			if f.Name == v.Config {
				require.NoError(t, json.Unmarshal([]byte(f.Files[configFile]), &c))
				assert.True(t, f.Reload)
				return f.Name, c
			}
		}
	}
	require.Fail(t, "no config")
	return "", c
}

func TestEveryGathererKnowsItsChildrenAndFindsThem(t *testing.T) {
	for name, patch := range map[string]string{"depth 1": `{"fan_out": 8}`, "depth 2": `{}`, "depth 3": `{"fan_out": 2}`, "targets": targets} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, patch)
			require.Empty(t, s.Validate())
			top := s.Topology(patternstest.Settings)
			reached := map[int]int{}
			for _, g := range top.Groups {
				if !g.Containers[len(g.Containers)-1].Framework {
					continue
				}
				_, c := configOf(t, top, g)
				c.SetDefaults()
				require.NoError(t, c.Validate())
				var shards int
				for _, child := range c.Children {
					shards += len(child.Shards)
					if !child.Parent {
						reached[child.Shards[0]]++
					}
					if child.EndpointsFile == "" {
						continue
					}
					found := false
					for _, v := range g.Volumes {
						for _, f := range v.Endpoints {
							if endpointsFolder+"/"+f.File == child.EndpointsFile {
								_, service, _, ok := top.Endpoint(f)
								found = ok && service.Headless
							}
						}
					}
					assert.True(t, found, child.EndpointsFile)
				}
				if g.Name == RootGroup {
					assert.Equal(t, s.shards(), shards)
					assert.Equal(t, "search", g.Services[0].Name)
				}
			}
			assert.Len(t, reached, s.shards())
			for shard, n := range reached {
				assert.Equal(t, 1, n, shard)
			}
		})
	}
}

func TestALeafKnowsWhichItIs(t *testing.T) {
	env := func(c topology.Container) map[string]any {
		out := map[string]any{}
		for _, e := range c.Env {
			out[e.Name] = e.Value
			if e.Field != "" {
				out[e.Name] = e.Field
			}
		}
		return out
	}
	g := groups(spec(t, `{}`).Topology(patternstest.Settings))["leaf-8-3"]
	require.Len(t, g.Containers, 3)
	for _, c := range g.Containers {
		assert.Equal(t, map[string]any{"PATTERN_SHARD": "3", "PATTERN_SHARDS": "8", "PATTERN_REPLICA": topology.FieldReplica, "PATTERN_INSTANCE": "search"}, env(c), c.Name)
	}
	assert.Equal(t, 3, g.Termination.DrainSeconds)
	g = groups(spec(t, `{"leaf": {"identity": "stable"}}`).Topology(patternstest.Settings))["leaf-8-3"]
	assert.Equal(t, topology.Stable, g.Identity)
	assert.Equal(t, topology.FieldIndex, env(g.Containers[2])["PATTERN_REPLICA"])
}

func TestWhatChangesLiveStartsNothingAnewAndWhatDoesNotDoes(t *testing.T) {
	rooted := func(patch string) topology.Group {
		return groups(spec(t, patch).Topology(patternstest.Settings))[RootGroup]
	}
	was := rooted(`{}`)
	for _, c := range []struct {
		name, patch string
		same        bool
	}{
		{"another policy", `{"policy": {"deadline": "3s", "coalesce": true, "cache": {"ttl": "1s"}}}`, true},
		{"other limits", `{"limits": {"part_size": "1Mi"}}`, true},
		{"another number of connections", `{"limits": {"connections": 7}}`, false},
		{"more shards", `{"leaf": {"shards": 9}}`, false},
		{"another fan-out", `{"fan_out": 3}`, false},
		{"another merge", `{"merge": {"container": {"format": "multipart"}}}`, false},
		{"tracing", `{"tracing": {"endpoint": "http://c:4318"}}`, false},
		{"other targets, as many", strings.Replace(targets, "{", `{"fan_out": 2,`, 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := rooted(c.patch)
			if c.same {
				assert.Equal(t, was, is)
			} else {
				assert.NotEqual(t, was.Volumes, is.Volumes)
			}
		})
	}
	one, _ := configOf(t, spec(t, targets).Topology(patternstest.Settings), rooted(targets))
	other := strings.Replace(targets, "b.example", "c.example", 1)
	two, _ := configOf(t, spec(t, other).Topology(patternstest.Settings), rooted(other))
	assert.NotEqual(t, one, two, "a target that moved is another tree, though it is of the same shape")
}

func TestTheFilesOfALargeTreeFitIntoOneVariable(t *testing.T) {
	for patch, parents := range map[string]bool{`{"leaf": {"shards": 64}, "fan_out": 16}`: true, `{"leaf": {"shards": 1024}, "fan_out": 8}`: false} {
		live, total := 0, 0
		for _, c := range spec(t, patch).Topology(patternstest.Settings).Configs {
			if c.Reload {
				live++
				total += len(c.Files[configFile])
			}
		}
		assert.Equal(t, parents, live > 1, patch)
		assert.Positive(t, live, "the root always takes a policy while it runs")
		assert.LessOrEqual(t, total, reloadBytes)
	}
}

func TestAnotherTreeHasOtherGroups(t *testing.T) {
	names := func(patch string) map[string]topology.Group {
		all := groups(spec(t, patch).Topology(patternstest.Settings))
		delete(all, RootGroup)
		return all
	}
	for _, patch := range []string{`{"leaf": {"shards": 9}}`, `{"leaf": {"shards": 4}, "policy": {"require": null}}`} {
		for name := range names(patch) {
			assert.NotContains(t, names(`{}`), name)
		}
	}
	assert.Contains(t, names(`{"fan_out": 2}`), "leaf-8-0", "leaves stay where only their parents change")
}

func TestAChangeOfShardsIsMadeInPlace(t *testing.T) {
	replaced, refused := spec(t, `{"leaf": {"shards": 16, "identity": "stable"}}`).Changes(spec(t, `{}`))
	assert.Empty(t, replaced)
	assert.Empty(t, refused)
	replaced, _ = spec(t, `{"leaf": {"identity": "stable"}}`).Changes(spec(t, `{}`))
	require.Len(t, replaced, 1)
	assert.Equal(t, "leaf.identity", replaced[0].Path)
	replaced, refused = spec(t, targets).Changes(spec(t, `{}`))
	assert.Empty(t, replaced)
	assert.Empty(t, refused)
}
