package workqueue

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workqueue"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
)

// thumbs has a scaled stage, a fixed one with a log saver, a server's address outside, and secrets.
const thumbs = `{
	"name": "thumbs", "namespace": "media",
	"source": {"bucket": {"url": "s3://pictures?region=eu-1", "watch": "30s"}},
	"stages": {
		"prepare": {
			"image": "registry.example/magick:1", "command": ["convert", "$(WORK_ITEM_FILE)", "$(WORK_OUTPUT_FILE)"],
			"workers": {"min": 0, "max": 4, "concurrency": 2}, "security": {"user": 1000}
		},
		"classify": {
			"from": ["prepare"], "image": "registry.example/classifier:2", "command": ["/serve"], "mode": "http", "http": {"port": 8000, "ready_path": "/ready"},
			"workers": {"min": 2, "max": 2}, "timeout": "1m", "env": {"MODEL": "small"},
			"volumes": {"logs": {"ephemeral": {"size": "64Mi"}}}, "mounts": {"logs": {"path": "/logs"}},
			"sidecars": {"logs": {"log_saver": {"paths": ["/logs/*.log"], "sink": {"bucket": {"url": "s3://logs?region=eu-1"}}}}}
		}
	},
	"sink": {"bucket": {"url": "s3://thumbs?region=eu-1"}},
	"queue": {
		"expose": {"reach": "node", "node_port": 30080},
		"secret_env": {"AWS_ACCESS_KEY_ID": {"secret": "storage", "key": "access_key"}, "AWS_SECRET_ACCESS_KEY": {"secret": "storage", "key": "secret_key"}}
	},
	"secrets": {"storage": {"values_wo": {"access_key": "not to be seen", "secret_key": "not to be seen"}, "values_wo_version": "1"}}
}`

func TestTranslationIsAsItWas(t *testing.T) {
	s := &workqueue.Spec{}
	require.NoError(t, json.Unmarshal([]byte(thumbs), s))
	patternstest.Golden(t, "thumbs", s)
}

func TestWhatIsComputed(t *testing.T) {
	o := &engine.Observation{Endpoints: map[string][]string{"thumbs/workers": {"10.0.0.1:8080"}, "thumbs-node/http": {"203.0.113.7:30080", "203.0.113.8:30080"}}}
	got := compute(o, &patterns.Progress{Counts: map[string]map[string]int64{"prepare": {"done": 7}}})
	assert.Equal(t, map[string]any{
		"url": "http://203.0.113.7:30080", "page_url": "http://203.0.113.7:30080/", "counts": map[string]map[string]int64{"prepare": {"done": 7}},
	}, got, "the address that reaches farthest")
	assert.NotContains(t, compute(o, nil), "counts", "what is not known stays as it was")
}
