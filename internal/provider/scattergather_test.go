package provider_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tree follows from what is written, so a plan shows it, before there is any cluster and whatever else is unknown.
func TestAPlanShowsTheTree(t *testing.T) {
	leaf := object{"leaf": object{"image": "registry.example/leaf:1", "shards": 8, "ports": object{"http": object{"port": 8000}}}}
	for _, c := range []struct {
		name    string
		changes object
		want    any
	}{
		{"one gatherer", nil, object{"depth": 1., "levels": []any{1., 8.}}},
		{"parents", object{"fan_out": 4}, object{"depth": 2., "levels": []any{1., 2., 8.}}},
		{"an image that is unknown", object{"fan_out": 2, "leaf.image": "registry.example/${terraform_data.later.id}"}, object{"depth": 3., "levels": []any{1., 2., 4., 8.}}},
		{"targets", object{"leaf": nil, "targets": object{"a": object{"url": "http://a"}, "b": object{"url": "http://b"}}}, object{"depth": 1., "levels": []any{1., 2.}}},
		{"shards that are unknown", object{"leaf.shards": "${length(terraform_data.later.id)}"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := workspace(t, object{
				"provider": object{"pattern": object{"nomad": object{"address": "http://127.0.0.1:1"}}},
				"resource": object{
					"terraform_data":         object{"later": object{}},
					"pattern_scatter_gather": object{"it": with(t, merge(leaf, object{"name": "search", "merge": object{"sum": object{}}}), c.changes)},
				},
			})
			for _, d := range parse(t, "plan", run("plan", "-out", "plan", "-json", "-no-color")) {
				require.NotEqual(t, "error", d.Severity, d.Detail)
			}
			var plan struct {
				Changes []struct {
					Type   string
					Change struct{ After object }
				} `json:"resource_changes"`
			}
			require.NoError(t, json.Unmarshal(run("show", "-json", "plan"), &plan))
			seen := false
			for _, change := range plan.Changes {
				if change.Type == "pattern_scatter_gather" {
					seen = true
					assert.Equal(t, c.want, change.Change.After["tree"])
				}
			}
			assert.True(t, seen)
		})
	}
}

func merge(a, b object) object {
	out := object{}
	for _, in := range []object{a, b} {
		for k, v := range in {
			out[k] = v
		}
	}
	return out
}
