//go:build acceptance

package acceptance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scatterGather is one of three shards of two replicas.
func scatterGather() object {
	return object{
		"name": "search",
		"leaf": object{
			"image": demoImage, "args": []string{"serve", ":8080"}, "shards": 3, "replicas": 2, "ports": object{"http": object{"port": 8080}},
		},
		"merge": object{"json_array": object{}},
	}
}

// What is wrong with a tree is said by the plan, at its attribute, and before any engine is asked.
func TestScatterGatherFaultsAreShownByThePlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		tree   object
		at     string
		reason string
	}{
		{"more shards than there are", with(scatterGather(), object{"policy": object{"require": "4"}}), "policy.require", "4 shards can never answer: there are 3"},
		{"a hedge without another replica", with(scatterGather(), object{"leaf.replicas": 1, "policy": object{"hedge": object{}}}), "policy.hedge", "set leaf.replicas to 2 or more"},
		{"a deadline before the hedge", with(scatterGather(), object{"policy": object{"deadline": "20ms", "hedge": object{"after": "50ms"}}}), "policy.hedge.after", "not before the deadline"},
		{"a tree without branches", with(scatterGather(), object{"fan_out": 1}), "fan_out", "2"},
		{"no shards", with(scatterGather(), object{"leaf.shards": 0}), "leaf.shards", "1"},
		{"two merges", with(scatterGather(), object{"merge.sum": object{}}), "merge", "exactly one"},
		{"leaves and targets", with(scatterGather(), object{"targets": object{"a": object{"url": "http://a.example"}}}), "targets", ""},
		{"a target with TLS", with(scatterGather(), object{"leaf": nil, "targets": object{"a": object{"url": "https://a.example"}}}), `targets["a"].url`, "http://"},
		{"a merge on the gatherer's port", with(scatterGather(), object{"merge": object{"container": object{"image": demoImage, "port": 8080}}}), "merge.container.port", "8080 is the gatherer's own"},
		{"a port that is not there", with(scatterGather(), object{"leaf.port": "grpc"}), "leaf.port", `no port "grpc"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkspace(t, "terraform")
			w.write(object{"nomad": object{"address": "http://127.0.0.1:1"}}, object{"resource": object{"pattern_scatter_gather": object{"search": c.tree}}})
			r := w.try("plan")
			require.Error(t, r.Err)
			assert.Contains(t, r.errors(), c.at)
			assert.Contains(t, r.errors(), c.reason)
		})
	}
}
