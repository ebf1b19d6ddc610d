package scattergather

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/scattergather"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
)

var specs = map[string]string{
	// flat is one gatherer above two shards, whose replicas have disks of their own, with an address outside.
	"flat": `{
		"name": "search", "namespace": "shop",
		"leaf": {
			"image": "registry.example/leaf:1", "shards": 2, "replicas": 2, "identity": "stable", "ports": {"http": {"port": 8000}},
			"probes": {"readiness": {"http": {"port": "http", "path": "/ready"}}},
			"volumes": {"index": {"persistent": {"size": "1Gi"}}, "logs": {"ephemeral": {"size": "64Mi"}}},
			"mounts": {"index": {"path": "/index"}, "logs": {"path": "/logs"}},
			"sidecars": {"logs": {"log_saver": {"paths": ["/logs/*.log"], "sink": {"bucket": {"url": "s3://logs?region=eu-1"}}}}}
		},
		"merge": {"top_k": {"k": 10, "by": "score", "items": "hits"}},
		"root": {"expose": {"reach": "node", "node_port": 30080}, "secret_env": {"TOKEN": {"secret": "s", "key": "k"}}},
		"policy": {"require": "best_effort", "hedge": {"after": "20ms"}, "cache": {"ttl": "5s", "size": "1Mi"}},
		"secrets": {"s": {"values_wo": {"k": "not to be seen"}, "values_wo_version": "1"}}
	}`,
	// deep has parents, and a merge container with a script beside each gatherer.
	"deep": `{
		"name": "search",
		"leaf": {
			"image": "registry.example/leaf:1", "shards": 3, "ports": {"http": {"port": 8000}, "admin": {"port": 8001}}, "port": "http", "protocol": "h2c",
			"init": [{"name": "load", "image": "registry.example/load:1"}], "volumes": {"index": {"ephemeral": {}}}, "mounts": {"index": {"path": "/index"}}
		},
		"merge": {"container": {
			"image": "registry.example/python:3", "command": ["python3", "/script/merge.py"], "port": 9000, "format": "multipart",
			"volumes": {"script": {"config": {"files": {"merge.py": "pass\n"}}}}, "mounts": {"script": {"path": "/script"}}
		}},
		"fan_out": 2, "root": {"replicas": 3}, "parents": {"replicas": 2, "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}},
		"tracing": {"endpoint": "http://collector:4318", "sample": 0.5}, "update": {"min_ready": "5s"}
	}`,
	// targets are services that somebody else runs.
	"targets": `{
		"name": "search",
		"targets": {"us": {"url": "http://search.us.example"}, "eu": {"url": "http://search.eu.example:8080/v1"}},
		"merge": {"json_array": {"items": "hits"}}, "policy": {"deadline": "500ms", "prune": {"header": "Region"}}, "limits": {"part_size": "1Mi"}
	}`,
}

func TestTranslationIsAsItWas(t *testing.T) {
	for name, raw := range specs {
		s := &scattergather.Spec{}
		require.NoError(t, json.Unmarshal([]byte(raw), s))
		patternstest.Golden(t, name, s)
	}
}

func TestWhatIsComputed(t *testing.T) {
	o := &engine.Observation{Endpoints: map[string][]string{
		"search/inside": {"10.0.0.1:8080"}, "search-node/http": {"203.0.113.7:30080"}, "search-leaf-2-0/child": {"10.0.0.2:8000"},
	}}
	assert.Equal(t, map[string]any{"url": "http://203.0.113.7:30080"}, compute(o, nil), "the address that reaches farthest")
	s := &scattergather.Spec{}
	require.NoError(t, json.Unmarshal([]byte(specs["deep"]), s))
	assert.Equal(t, map[string]any{"tree": tree{Depth: 2, Levels: []int{1, 2, 3}}}, planned(s))
}
