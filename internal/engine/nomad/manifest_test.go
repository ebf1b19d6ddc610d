package nomad

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

var rewrite = flag.Bool("update", false, "write the golden files")

func TestAManifestIsAsInItsGoldenFile(t *testing.T) {
	for name, make := range map[string]func() *topology.Topology{
		"minimal": minimal, "full": full, "init": withInit, "stable": stable, "batch": batch, "grants": granted,
		"loosened": loosened, "autoscaled": autoscaled, "secrets": withSecrets, "node-port": onNodePort, "workers": workers,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Manifest(make(), Options{MHzPerCore: 2400})
			require.NoError(t, err)
			again, err := Manifest(make(), Options{MHzPerCore: 2400})
			require.NoError(t, err)
			assert.Equal(t, string(got), string(again), "a translation is pure")
			path := filepath.Join("testdata", name+".golden.json")
			if *rewrite {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))

			var back struct{ Job *api.Job }
			require.NoError(t, json.Unmarshal(got, &back))
			p, err := Translate(make(), Options{MHzPerCore: 2400})
			require.NoError(t, err)
			x, err := json.Marshal(back.Job)
			require.NoError(t, err)
			y, err := json.Marshal(p.Job)
			require.NoError(t, err)
			assert.JSONEq(t, string(y), string(x), "what is left out means the same")
		})
	}
}

func TestAManifestHoldsNoSecretValue(t *testing.T) {
	got, err := Manifest(withSecrets(), Options{})
	require.NoError(t, err)
	assert.NotContains(t, string(got), "never shown")
	assert.Contains(t, string(got), "secret/db/password")
}

func TestAnApplyTimeoutDoesNotChangeWhatRuns(t *testing.T) {
	a, b := minimal(), minimal()
	b.Groups[0].Update.ProgressSeconds = 1234
	p, err := Translate(a, Options{})
	require.NoError(t, err)
	q, err := Translate(b, Options{})
	require.NoError(t, err)
	q.Job.TaskGroups[0].Update = p.Job.TaskGroups[0].Update
	assert.Equal(t, p.Job, q.Job)
}
