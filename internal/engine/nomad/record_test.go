package nomad

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestARecordComesBackAsItWas(t *testing.T) {
	large, err := json.Marshal(map[string]string{"file": strings.Repeat("a line of configuration\n", 10_000)})
	require.NoError(t, err)
	for name, spec := range map[string]string{"small": `{"a":1}`, "large": string(large)} {
		t.Run(name, func(t *testing.T) {
			r := &record{Pattern: "sidecar", Revision: "abc", Complete: true, MHzPerCore: 2400, Policies: []string{"p"}, Volumes: []string{"v[0]"}, Spec: json.RawMessage(spec)}
			text, err := r.encode()
			require.NoError(t, err)
			assert.Less(t, len(text), 10<<10)
			back, err := decodeRecord(text)
			require.NoError(t, err)
			assert.Equal(t, r, back)
		})
	}
	for _, broken := range []string{"", "{", gzipMark, gzipMark + "AAAA", gzipMark + "%"} {
		_, err := decodeRecord(broken)
		assert.Error(t, err, broken)
	}
}

func TestTheVariableKeepsWhatOthersPutThere(t *testing.T) {
	was := stored{items: api.VariableItems{"theirs": "x", "config/old/a": "y", "secret/db/password": "kept", recordItem: "{}"}}
	top := withSecrets()
	top.Secrets[0].Values = nil
	p, err := Translate(top, Options{})
	require.NoError(t, err)
	items, err := wanted(p, top, was)
	require.NoError(t, err)
	assert.Equal(t, "x", items["theirs"])
	assert.Equal(t, "kept", items["secret/db/password"], "unknown values leave what the cluster has")
	assert.Contains(t, items, "config/old/a", "replicas of the former version may still read it")
	assert.Len(t, items["secret/made/key"], 43, "32 random bytes")

	again, err := wanted(p, top, stored{items: items})
	require.NoError(t, err)
	assert.Equal(t, items["secret/made/key"], again["secret/made/key"], "generated once")

	_, err = wanted(p, top, stored{})
	var rejected *engine.RejectedError
	require.ErrorAs(t, err, &rejected)
	assert.Contains(t, rejected.Reason, `"db"`)
}

func TestWhoMayTakeAnInstance(t *testing.T) {
	top := minimal()
	top.Spec = json.RawMessage(`{"b": 1, "a": 2}`)
	for _, tc := range []struct {
		name   string
		record *record
		create bool
		taken  bool
	}{
		{"nobody is there", nil, true, false},
		{"an interrupted creation with another spec", &record{Pattern: "sidecar", Spec: json.RawMessage(`{}`)}, true, false},
		{"a complete one with the same spec", &record{Pattern: "sidecar", Complete: true, Spec: json.RawMessage(`{"a":2,"b":1}`)}, true, false},
		{"a complete one with another spec", &record{Pattern: "sidecar", Complete: true, Spec: json.RawMessage(`{"a":3}`)}, true, true},
		{"an update", &record{Pattern: "sidecar", Complete: true, Spec: json.RawMessage(`{"a":3}`)}, false, false},
		{"another pattern", &record{Pattern: "adapter"}, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := mayTake(topology.Key{}, tc.record, top, engine.ApplyOptions{Create: tc.create})
			var exists *engine.ExistsError
			if tc.taken {
				require.ErrorAs(t, err, &exists)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
