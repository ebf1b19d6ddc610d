// Package patternstest is what the tests of all patterns need.
package patternstest

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/engine/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/internal/engine/nomad"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Settings of a provider whose images are at registry.example/pattern.
var Settings = patterns.Settings{Image: func(name string) string { return "registry.example/pattern/" + name + ":1.2.3" }}

// Patch reads JSON into a spec, with changes on top as a JSON merge patch (RFC 7396) makes them.
func Patch(t *testing.T, spec patterns.Spec, base, patch string) {
	t.Helper()
	var is, change map[string]any
	require.NoError(t, json.Unmarshal([]byte(base), &is))
	require.NoError(t, json.Unmarshal([]byte(patch), &change))
	raw, err := json.Marshal(patched(is, change))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, spec))
}

func patched(base, change map[string]any) map[string]any {
	for k, v := range change {
		switch v := v.(type) {
		case nil:
			delete(base, k)
		case map[string]any:
			below, _ := base[k].(map[string]any)
			if below == nil {
				below = map[string]any{}
			}
			base[k] = patched(below, v)
		default:
			base[k] = v
		}
	}
	return base
}

var update = flag.Bool("update", false, "write the golden files")

// Golden compares what a spec becomes on both engines with the files of a name in testdata, which -update writes.
func Golden(t *testing.T, name string, spec patterns.Spec) {
	require.Empty(t, spec.Validate())
	top := spec.Topology(Settings)
	for _, e := range []struct {
		file     string
		check    func(*topology.Topology) []engine.Fault
		manifest func() ([]byte, error)
	}{
		{name + ".kubernetes.golden.yaml", kubernetes.New(kubernetes.Config{}).Check, func() ([]byte, error) { return kubernetes.Manifest(top, kubernetes.Options{}) }},
		{name + ".nomad.golden.json", nomad.New(nomad.Config{}).Check, func() ([]byte, error) { return nomad.Manifest(top, nomad.Options{MHzPerCore: 1000}) }},
	} {
		t.Run(e.file, func(t *testing.T) {
			require.Empty(t, e.check(top))
			got, err := e.manifest()
			require.NoError(t, err)
			file := filepath.Join("testdata", e.file)
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, got, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
			assert.NotContains(t, string(got), "not to be seen", "the values of secrets")
		})
	}
}
