//go:build acceptance

package acceptance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is wrong with elections is said by the plan, at its attribute, and before any engine is asked.
func TestLeaderElectionFaultsAreShownByThePlan(t *testing.T) {
	t.Parallel()
	elects := func() object {
		return object{
			"name": "app", "replicas": 3, "main": object{"image": demoImage, "args": []string{"serve", ":8080"}, "ports": object{"http": object{"port": 8080}}},
			"elections": object{"one": object{}},
		}
	}
	lease := func(l object) object { return with(elects(), object{"elector": object{"lease": l}}) }
	raft := func(change object) object {
		return with(with(elects(), object{"identity": "stable", "elector": object{"backend": "raft"}}), change)
	}
	for _, c := range []struct {
		name   string
		spec   object
		at     string
		reason string
	}{
		{"a name", with(elects(), object{"elections.The_One": object{}}), `elections["The_One"]`, "lower-case"},
		{"a deadline beyond the duration", lease(object{"duration": "4s", "renew_deadline": "4s"}), "elector.lease.renew_deadline", "at most nine tenths of lease.duration (4s)"},
		{"retries beyond the deadline", lease(object{"duration": "4s", "retry_period": "2s"}), "elector.lease.renew_deadline", "at least twice lease.retry_period (2s)"},
		{"one replica", with(elects(), object{"replicas": 1}), "replicas", "at least 2"},
		{"an even number of members", raft(object{"replicas": 4}), "replicas", "odd number from 3 to 9"},
		{"members that come and go", raft(object{"identity": nil}), "identity", "stable"},
		{"a leader without a port", with(elects(), object{"main.ports": nil, "elections.one.expose_leader": true}), `elections["one"].expose_leader`, "main.ports"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkspace(t, "terraform")
			w.write(object{"nomad": object{"address": "http://127.0.0.1:1"}}, object{"resource": object{"pattern_leader_election": object{"app": c.spec}}})
			r := w.try("plan")
			require.Error(t, r.Err)
			assert.Contains(t, r.errors(), c.at)
			assert.Contains(t, r.errors(), c.reason)
		})
	}
}
