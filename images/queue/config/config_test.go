package config

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valid is a configuration without faults: a diamond.
func valid() *Config {
	c := &Config{
		Tokens: Tokens{ClientFile: "/tokens/client", WorkerFile: "/tokens/worker"},
		Store:  Store{Embedded: &Embedded{Directory: "/data"}},
		Stages: map[string]Stage{
			"a": {}, "b": {From: []string{"a"}}, "c": {From: []string{"a", Source}}, "d": {From: []string{"b", "c"}},
		},
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := valid()
	c.SetDefaults()
	require.NoError(t, c.Validate())
	a := c.Stages["a"]
	assert.Equal(t, []string{Source}, a.From)
	assert.Equal(t, Duration(5*time.Minute), a.Timeout)
	assert.Equal(t, []int{1, 1}, []int{*a.Workers.Min, *a.Workers.Max})
	assert.Equal(t, "file:///data/payloads", c.Payloads.URL)

	again := *c
	again.SetDefaults()
	assert.Equal(t, *c, again, "defaults that are set stay")

	raw, err := json.Marshal(c)
	require.NoError(t, err)
	var read Config
	require.NoError(t, json.Unmarshal(raw, &read))
	assert.Equal(t, *c, read, "a file says the same again")
}

func TestWorkersThatAreGivenInPart(t *testing.T) {
	for _, v := range []struct {
		name     string
		in       Workers
		min, max int
	}{
		{"only a maximum begins with one", Workers{Max: new(5)}, 1, 5},
		{"no worker at all", Workers{Max: new(0)}, 0, 0},
		{"only a minimum is the maximum as well", Workers{Min: new(3)}, 3, 3},
		{"a minimum of none", Workers{Min: new(0)}, 0, 1},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := Stage{Workers: v.in}
			s.setDefaults()
			assert.Equal(t, []int{v.min, v.max}, []int{*s.Workers.Min, *s.Workers.Max})
		})
	}
}

func TestThePipeline(t *testing.T) {
	c := valid()
	assert.Equal(t, []string{"a", "b", "c", "d"}, c.Order())
	assert.Equal(t, []string{"a", "c"}, c.Entries())
	assert.Equal(t, []string{"b", "c"}, c.Next("a"))
	assert.Equal(t, []string{"d"}, c.Last())
	assert.Equal(t, "x", c.ItemName("a", "b", "x"))
	assert.Equal(t, "a/x", c.ItemName("a", "c", "x"))
	assert.Equal(t, "x", c.ResultName("d", "x"))
	c.Stages["e"] = Stage{}
	assert.Equal(t, "d/x", c.ResultName("d", "x"), "with two last stages")
}

func TestFaults(t *testing.T) {
	for _, v := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no stage", func(c *Config) { c.Stages = nil }, "stages: at least one stage is required"},
		{"a circle is named in full, along the flow", func(c *Config) {
			c.Stages = map[string]Stage{"in": {}, "a": {From: []string{"in", "c"}}, "b": {From: []string{"a"}}, "c": {From: []string{"b"}}, "out": {From: []string{"c"}}}
		}, "stages: go round in a circle: a -> b -> c -> a"},
		{"a stage that takes from itself", func(c *Config) { c.Stages["b"] = Stage{From: []string{"b"}} }, `stages["b"].from[0]: a stage cannot take from itself`},
		{"an unknown stage", func(c *Config) { c.Stages["b"] = Stage{From: []string{"x"}} }, `stages["b"].from[0]: there is no stage "x" (there are: a, b, c, d, and source)`},
		{"a stage twice", func(c *Config) { c.Stages["b"] = Stage{From: []string{"a", "a"}} }, `stages["b"].from[1]: "a" is there twice`},
		{"a reserved name", func(c *Config) { c.Stages["queue"] = Stage{} }, `stages["queue"]: "queue" means something else here`},
		{"a name that no engine takes", func(c *Config) { c.Stages["A_b"] = Stage{} }, `stages["A_b"]: "A_b" must be lower-case`},
		{"more at least than at most", func(c *Config) { c.Stages["a"] = Stage{Workers: Workers{Min: new(3), Max: new(2)}} }, `stages["a"].workers.min: 3 is above workers.max, which is 2`},
		{"fewer workers than none", func(c *Config) { c.Stages["a"] = Stage{Workers: Workers{Min: new(-1), Max: new(2)}} }, `stages["a"].workers.min: must be 0 to 1000, got -1`},
		{"backoff the wrong way round", func(c *Config) {
			c.Stages["a"] = Stage{Backoff: Backoff{Min: Duration(time.Minute), Max: Duration(time.Second)}}
		}, `stages["a"].backoff.max: 1s is below backoff.min, which is 1m0s`},
		{"two stores", func(c *Config) { c.Store.Postgres = &Postgres{URLFile: "/url"} }, "store: exactly one of embedded, postgres must be set"},
		{"postgres without payloads", func(c *Config) { c.Store = Store{Postgres: &Postgres{URLFile: "/url"}} }, "payloads.url: is required with a postgres store"},
		{"a bucket with credentials", func(c *Config) { c.Sink = &Sink{URL: "s3://me:secret@b"} }, "sink.url: must not hold credentials"},
		{"a bucket of nowhere", func(c *Config) { c.Sink = &Sink{URL: "ftp://b"} }, `sink.url: "ftp://b" must begin with s3://`},
		{"a list with a name that leads out", func(c *Config) { c.Input.List = map[string]string{"../x": ""} }, `source.list["../x"]: the name "../x" has the segment ".."`},
		{"a cron that is none", func(c *Config) { c.Input.Schedule = []Schedule{{Name: "n", Cron: "every day"}} }, `source.schedule[0].cron: "every day" is not understood`},
		{"a time zone that is none", func(c *Config) { c.Input.Schedule = []Schedule{{Name: "n", Cron: "@daily", TimeZone: "Mars/Base"}} }, `source.schedule[0].time_zone: "Mars/Base" is no time zone`},
		{"a source without a host", func(c *Config) { c.Input.HTTP = &HTTPSource{URL: "items"} }, `source.http.url: "items" must be http://HOST`},
		{"an unknown stage to scale", func(c *Config) {
			c.Scale = &Scale{Instance: "j", Groups: map[string]string{"x": "x"}}
		}, `scale.groups["x"]: there is no such stage`},
		{"a token of no file", func(c *Config) { c.Tokens.WorkerFile = "" }, "tokens.worker_file: must be an absolute path"},
	} {
		t.Run(v.name, func(t *testing.T) {
			c := valid()
			v.change(c)
			c.SetDefaults()
			assert.ErrorContains(t, c.Validate(), v.want)
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "a/b.jpg", "späß/日本 .txt", "..a", "a..", strings.Repeat("x", 1024)} {
		assert.NoError(t, CheckName(name), name)
	}
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\x00b", "a\nb", "a\x7f", "\xff", strings.Repeat("x", 1025), strings.Repeat("é", 2048)} {
		assert.Error(t, CheckName(name), "%q", name)
	}
}

func TestFinite(t *testing.T) {
	for _, v := range []struct {
		name   string
		in     Input
		finite bool
	}{
		{"nothing is read", Input{}, false},
		{"a list", Input{List: map[string]string{"a": ""}}, true},
		{"an empty list", Input{List: map[string]string{}}, true},
		{"a bucket that is read once", Input{Bucket: &BucketSource{}}, true},
		{"a bucket that is watched", Input{Bucket: &BucketSource{Watch: 1}, List: map[string]string{}}, false},
		{"a schedule", Input{List: map[string]string{}, Schedule: []Schedule{{}}}, false},
	} {
		assert.Equal(t, v.finite, v.in.Finite(), v.name)
	}
}
