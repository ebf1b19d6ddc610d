package leaderelection

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/leaderelection"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
)

var specs = map[string]string{
	// writer has one leader, whom clients reach.
	"writer": `{
		"name": "writer", "namespace": "shop", "replicas": 3,
		"main": {"image": "registry.example/writer:1", "ports": {"http": {"port": 8080}}, "probes": {"readiness": {"http": {"port": "http", "path": "/ready"}, "period": "2s"}}},
		"expose": {"http": {}},
		"elections": {"one": {"expose_leader": true}, "two": {}},
		"elector": {"lease": {"profile": "fast"}, "callbacks": {"on_elected": {"port": "http", "path": "/elected"}}}
	}`,
	// shards has a set of elections, and a log saver beside.
	"shards": `{
		"name": "shards", "replicas": 5,
		"main": {"image": "registry.example/shards:1", "mounts": {"logs": {"path": "/logs"}}},
		"volumes": {"logs": {"ephemeral": {}}}, "init": [{"name": "load", "image": "registry.example/load:1"}],
		"election_sets": {"parts": {"shards": 300}},
		"elector": {"campaign": "app", "port": 4444, "lease": {"duration": "10s", "renew_deadline": "8s", "retry_period": "1s"}},
		"sidecars": {"logs": {"log_saver": {"paths": ["/logs/*.log"], "sink": {"bucket": {"url": "s3://logs?region=eu-1"}}}}}
	}`,
	// raft needs nothing of the engine.
	"raft": `{
		"name": "raft", "replicas": 3, "identity": "stable", "main": {"image": "registry.example/app:1"}, "elections": {"one": {}}, "elector": {"backend": "raft"}
	}`,
}

func TestTranslationIsAsItWas(t *testing.T) {
	for name, raw := range specs {
		s := &leaderelection.Spec{}
		require.NoError(t, json.Unmarshal([]byte(raw), s))
		patternstest.Golden(t, name, s)
		for _, c := range s.Topology(patternstest.Settings).Configs {
			if file := c.Files["config.json"]; file != "" {
				var is config.Config
				require.NoError(t, json.Unmarshal([]byte(file), &is))
				is.SetDefaults()
				assert.NoError(t, is.Validate(), name)
			}
		}
	}
}

func TestFaultsAreNamedWhereTheyWereWritten(t *testing.T) {
	for _, c := range []struct{ name, patch, path, message string }{
		{"nothing to elect", `{"elections": null}`, "elections", "at least one election"},
		{"a name", `{"elections": {"One_": {}}}`, `elections["One_"]`, "lower-case"},
		{"one replica", `{"replicas": 1}`, "replicas", "at least 2"},
		{"a deadline beyond the duration", `{"elector": {"lease": {"duration": "4s", "renew_deadline": "5s"}}}`, "elector.lease.renew_deadline", "lease.duration (4s)"},
		{"retries beyond the deadline", `{"elector": {"lease": {"duration": "4s", "retry_period": "3s"}}}`, "elector.lease.renew_deadline", "twice lease.retry_period"},
		{"a profile and a duration", `{"elector": {"lease": {"profile": "fast", "duration": "4s"}}}`, "elector.lease.profile", "remove one"},
		{"a profile that is none", `{"elector": {"lease": {"profile": "quick"}}}`, "elector.lease.profile", `"default", "fast"`},
		{"a campaign that is none", `{"elector": {"campaign": "never"}}`, "elector.campaign", `"auto" or "app"`},
		{"a backend that is none", `{"elector": {"backend": "zookeeper"}}`, "elector.backend", `"engine", "raft"`},
		{"raft with an even number", `{"replicas": 4, "identity": "stable", "elector": {"backend": "raft"}}`, "replicas", "odd number from 3 to 9, got 4"},
		{"raft with an autoscaler", `{"replicas": null, "identity": "stable", "elector": {"backend": "raft"}}`, "replicas", "an autoscaler cannot"},
		{"raft with replicas that come and go", `{"elector": {"backend": "raft"}}`, "identity", `identity = "stable"`},
		{"a callback nowhere", `{"elector": {"callbacks": {"on_demoted": {"port": "grpc"}}}}`, "elector.callbacks.on_demoted.port", "there are: http"},
		{"a callback that waits for ever", `{"elector": {"callbacks": {"timeout": "1m"}}}`, "elector.callbacks.timeout", "lease.duration"},
		{"a leader without a port", `{"main": {"ports": null}, "expose": null, "elector": null}`, `elections["one"].expose_leader`, "main.ports"},
		{"a port that is the API's", `{"main": {"ports": {"http": {"port": 4040}}}}`, "elector.port", "4040/tcp is taken by main"},
		{"a set without shards", `{"election_sets": {"parts": {"shards": 0}}}`, `election_sets["parts"].shards`, "at least 1"},
		{"a variable of the framework", `{"main": {"env": {"PATTERN_MEMBER": "x"}}}`, `main.env["PATTERN_MEMBER"]`, "choose another"},
		{"a sidecar of that name", `{"sidecars": {"elector": {"container": {"image": "x"}}}}`, `sidecars["elector"]`, "choose another"},
		{"a volume of the framework", `{"volumes": {"pattern-x": {"ephemeral": {}}}}`, `volumes["pattern-x"]`, "framework"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &leaderelection.Spec{}
			patternstest.Patch(t, s, specs["writer"], c.patch)
			faults := s.Validate()
			var paths []string
			for _, f := range faults {
				if paths = append(paths, f.Path); f.Path == c.path {
					assert.Contains(t, f.Message, c.message)
				}
			}
			assert.Contains(t, paths, c.path, "%v", faults)
		})
	}
}

func TestWhatCannotChangeInPlace(t *testing.T) {
	was, is := &leaderelection.Spec{}, &leaderelection.Spec{}
	require.NoError(t, json.Unmarshal([]byte(specs["writer"]), was))
	patternstest.Patch(t, is, specs["writer"], `{"replicas": 5, "elector": {"backend": "engine"}}`)
	replaced, refused := is.Changes(was)
	assert.Empty(t, replaced)
	assert.Empty(t, refused)
	patternstest.Patch(t, is, specs["writer"], `{"identity": "stable", "elector": {"backend": "raft"}}`)
	replaced, _ = is.Changes(was)
	require.Len(t, replaced, 2)
	assert.Equal(t, "elector.backend", replaced[1].Path)
}
