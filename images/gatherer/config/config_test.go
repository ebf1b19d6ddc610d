package config

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valid is the root of a tree of four shards, two of which are below a parent.
func valid() *Config {
	return &Config{
		Node: Node{Name: "root", Depth: 2}, Shards: 4,
		Children: []Child{
			{Name: "shard 0", Shards: []int{0}, EndpointsFile: "/endpoints/0"},
			{Name: "shard 1", Shards: []int{1}, URL: "http://one.example:8080/base/"},
			{Name: "parent 1.0", Shards: []int{2, 3}, Parent: true, EndpointsFile: "/endpoints/parent"},
		},
		Merge: Merge{TopK: &TopK{K: 10, By: "score"}},
	}
}

func TestDefaultsAreValidAndStay(t *testing.T) {
	c := valid()
	c.Policy.Hedge, c.Policy.Cache, c.Tracing = &Hedge{}, &Cache{TTL: Duration(time.Second)}, &Tracing{Endpoint: "http://collector:4318"}
	given := *c.Policy.Hedge
	c.SetDefaults()
	require.NoError(t, c.Validate())
	assert.Equal(t, Hedge{}, given)
	assert.Equal(t, "all", c.Policy.Require)
	assert.Equal(t, 2, *c.Policy.Retries)

	raw, err := json.Marshal(c)
	require.NoError(t, err)
	var read Config
	require.NoError(t, json.Unmarshal(raw, &read))
	read.SetDefaults()
	assert.Equal(t, c, &read, "a file says the same again")
}

func TestLeast(t *testing.T) {
	for _, c := range []struct {
		require string
		shards  int
		least   int
	}{
		{"all", 8, 8}, {"quorum", 8, 5}, {"quorum", 7, 4}, {"best_effort", 8, 0}, {"6", 8, 6}, {"0.75", 8, 6}, {"0.75", 7, 6}, {"1.0", 8, 8}, {"0.01", 8, 1},
	} {
		p := Policy{Require: c.require}
		assert.Equal(t, c.least, p.Least(c.shards), c)
	}
}

func TestDelay(t *testing.T) {
	q, d := (&Hedge{After: "p99.9"}).Delay()
	assert.InDelta(t, 0.999, q, 1e-9)
	assert.Zero(t, d)
	q, d = (&Hedge{After: "20ms"}).Delay()
	assert.Zero(t, q)
	assert.Equal(t, 20*time.Millisecond, d)
}

func TestTarget(t *testing.T) {
	c := valid()
	prefix, host := c.Children[1].Target()
	assert.Equal(t, []string{"/base", "one.example:8080"}, []string{prefix, host})
	prefix, host = c.Children[0].Target()
	assert.Equal(t, []string{"", ""}, []string{prefix, host})
}

func TestEveryFaultIsToldWithItsPath(t *testing.T) {
	for _, v := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"no node", func(c *Config) { c.Node = Node{Level: -1} }, []string{"node.name: ", "node.level: "}},
		{"no children", func(c *Config) { c.Children = nil }, []string{"children: must have at least one"}},
		{"a child without anything", func(c *Config) { c.Children = append(c.Children, Child{}) }, []string{
			"children[3].name: must not be empty", "children[3].shards: ", "children[3]: exactly one of endpoints_file, url",
		}},
		{"a shard twice", func(c *Config) { c.Children[1].Shards = []int{0} }, []string{`children[1].shards: shard 0 is below "shard 0" as well`}},
		{"a shard that is not there", func(c *Config) { c.Children[2].Shards = []int{2, 4} }, []string{"children[2].shards: there is no shard 4, only 0 to 3"}},
		{"a leaf of two shards", func(c *Config) { c.Children[0].Shards = []int{0, 1}; c.Children = c.Children[:1] }, []string{"children[0].shards: "}},
		{"a name twice", func(c *Config) { c.Children[1].Name = "shard 0" }, []string{`children[1].name: "shard 0" is another child's`}},
		{"TLS", func(c *Config) { c.Children[1].URL = "https://one.example" }, []string{"children[1].url: must begin with http://"}},
		{"a URL with a query", func(c *Config) { c.Children[1].URL = "http://one.example/?q" }, []string{"children[1].url: must have no user"}},
		{"a relative file", func(c *Config) { c.Children[0].EndpointsFile = "0" }, []string{"children[0].endpoints_file: must be an absolute path"}},
		{"another protocol", func(c *Config) { c.Children[0].Protocol = "h3" }, []string{"children[0].protocol: "}},
		{"a probe without a slash", func(c *Config) { c.Children[0].ProbePath = "ready" }, []string{"children[0].probe_path: "}},
		{"no merge", func(c *Config) { c.Merge = Merge{} }, []string{"merge: exactly one of"}},
		{"two merges", func(c *Config) { c.Merge.Sum = &Sum{} }, []string{"merge: exactly one of"}},
		{"top_k of nothing", func(c *Config) { c.Merge.TopK = &TopK{Order: "up"} }, []string{"merge.top_k.k: ", "merge.top_k.by: ", "merge.top_k.order: "}},
		{"a container somewhere", func(c *Config) { c.Merge = Merge{Container: &Container{URL: "unix:///x", Format: "xml"}} }, []string{"merge.container.url: ", "merge.container.format: "}},
		{"lines in no order", func(c *Config) { c.Merge = Merge{NDJSON: &NDJSON{Order: "up", Limit: -1}} }, []string{"merge.ndjson.order: ", "merge.ndjson.limit: "}},
		{"more shards than there are", func(c *Config) { c.Policy.Require = "5" }, []string{"policy.require: 5 shards can never answer: there are 4"}},
		{"no shards", func(c *Config) { c.Policy.Require = "0" }, []string{"policy.require: must be at least 1"}},
		{"more than the whole", func(c *Config) { c.Policy.Require = "1.5" }, []string{"policy.require: a fraction must be above 0 and at most 1"}},
		{"no number", func(c *Config) { c.Policy.Require = "most" }, []string{`policy.require: must be "all"`}},
		{"not a number", func(c *Config) { c.Policy.Require = "NaN" }, []string{"policy.require: a fraction"}},
		{"a hedge after the deadline", func(c *Config) { c.Policy.Hedge = &Hedge{After: "2s"} }, []string{"policy.hedge.after: 2s is not before the deadline of 2s"}},
		{"a quantile of all", func(c *Config) { c.Policy.Hedge = &Hedge{After: "p100"} }, []string{"policy.hedge.after: a quantile must be p50 to below p100"}},
		{"no delay", func(c *Config) { c.Policy.Hedge = &Hedge{After: "soon"} }, []string{"policy.hedge.after: must be a quantile"}},
		{"everything twice", func(c *Config) { c.Policy.Hedge = &Hedge{Budget: 1} }, []string{"policy.hedge.budget: must be above 0 and at most 0.5"}},
		{"a reserve of all", func(c *Config) { c.Policy.Reserve = Duration(2 * time.Second) }, []string{"policy.reserve: "}},
		{"numbers below 0", func(c *Config) {
			c.Policy.Retries, c.Policy.Queue, c.Policy.Concurrency, c.Policy.Outstanding, c.Policy.Deadline = new(-1), new(-1), -1, -1, -1
			c.Policy.Breaker = Breaker{Failures: -1, Probe: -1, ProbeMax: -2}
		}, []string{"policy.retries: ", "policy.queue: ", "policy.concurrency: ", "policy.outstanding: ", "policy.deadline: ", "policy.breaker.failures: ", "policy.breaker.probe: ", "policy.breaker.probe_max: "}},
		{"prune by two", func(c *Config) { c.Policy.Prune = &Prune{Header: "X", Path: "/{shards}"} }, []string{"policy.prune: exactly one of"}},
		{"prune by nothing", func(c *Config) { c.Policy.Prune = &Prune{Path: "/shards/search"} }, []string{"policy.prune.path: must have one segment {shards}"}},
		{"a cache for no time", func(c *Config) { c.Policy.Cache = &Cache{Bytes: -1} }, []string{"policy.cache.ttl: ", "policy.cache.bytes: "}},
		{"limits below 0", func(c *Config) { c.Limits = Limits{RequestBytes: -1, Connections: -1} }, []string{"limits.request_bytes: ", "limits.connections: "}},
		{"tracing of more than all", func(c *Config) { c.Tracing = &Tracing{Endpoint: "collector", Sample: 2} }, []string{"tracing.endpoint: ", "tracing.sample: "}},
		{"what all images have", func(c *Config) { c.Log.Level = "loud" }, []string{"log.level: "}},
	} {
		t.Run(v.name, func(t *testing.T) {
			c := valid()
			v.change(c)
			c.SetDefaults()
			err := c.Validate()
			require.Error(t, err)
			for _, want := range v.want {
				assert.ErrorContains(t, err, want)
			}
			if len(v.want) > 1 {
				var all *multierror.Error
				require.ErrorAs(t, err, &all)
				assert.GreaterOrEqual(t, len(all.Errors), len(v.want))
			}
		})
	}
}
