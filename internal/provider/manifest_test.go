package provider_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// manifest applies the data source, without any cluster, and gives its attributes and the warnings.
func manifest(t *testing.T, provider, instance object) (kubernetes, nomad string, warnings []string) {
	t.Helper()
	run := workspace(t, object{
		"provider": object{"pattern": provider},
		"data":     object{"pattern_manifest": object{"it": object{"sidecar": instance}}},
		"output":   object{"kubernetes": object{"value": "${data.pattern_manifest.it.kubernetes}"}, "nomad": object{"value": "${data.pattern_manifest.it.nomad}"}},
	})
	for _, d := range parse(t, "apply", run("apply", "-auto-approve", "-json", "-no-color")) {
		require.NotEqual(t, "error", d.Severity, d.Detail)
		warnings = append(warnings, d.Summary+": "+d.Detail)
	}
	var out map[string]struct{ Value string }
	require.NoError(t, json.Unmarshal(run("output", "-json"), &out))
	return out["kubernetes"].Value, out["nomad"].Value, warnings
}

func TestAManifestIsWhatTheResourceWouldBecome(t *testing.T) {
	kubernetes, nomad, warnings := manifest(t,
		object{"nomad": object{"address": "http://127.0.0.1:1", "namespace": "shop", "region": "eu", "mhz_per_core": 3000}},
		with(t, instance(), object{"main.resources": object{"requests": object{"cpu": "500m"}}}))
	assert.NotContains(t, strings.Join(warnings, "\n"), "Not for")

	kinds := map[string]string{}
	for doc := range strings.SplitSeq(kubernetes, "---\n") {
		var o struct {
			Kind string `json:"kind"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(doc), &o))
		kinds[o.Kind] = doc
	}
	var d appsv1.Deployment
	require.NoError(t, yaml.UnmarshalStrict([]byte(kinds["Deployment"]), &d))
	assert.Equal(t, "web", d.Name)
	assert.Equal(t, "500m", d.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().String())
	assert.Len(t, d.Spec.Template.Spec.InitContainers, 2, "sidecars start before main")
	assert.Contains(t, kinds, "Service")
	assert.Contains(t, kinds, "ConfigMap")

	var job struct{ Job api.Job }
	require.NoError(t, json.Unmarshal([]byte(nomad), &job))
	assert.Equal(t, "web", *job.Job.ID)
	assert.Equal(t, []string{"shop", "eu"}, []string{*job.Job.Namespace, *job.Job.Region}, "the provider's settings hold")
	for _, task := range job.Job.TaskGroups[0].Tasks {
		if task.Name == "main" {
			assert.Equal(t, 1500, *task.Resources.CPU, "half a core of 3000 MHz")
		}
	}
}

func TestAManifestSaysWhatOneEngineCannotDo(t *testing.T) {
	kubernetes, nomad, warnings := manifest(t, object{"kubernetes": object{"host": "https://127.0.0.1:1"}},
		with(t, instance(), object{"main.probes": object{"liveness": object{"exec": []string{"true"}}}}))
	assert.NotEmpty(t, kubernetes)
	assert.Empty(t, nomad)
	assert.Contains(t, strings.Join(warnings, "\n"), "Not for nomad: main.probes.liveness.exec")
}
