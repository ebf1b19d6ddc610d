//go:build engine

package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineAcceptsEveryGoldenFileToTheLetter(t *testing.T) {
	s := newStage(t)
	files, err := filepath.Glob("testdata/*.golden.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(raw), "namespace: shop", "namespace: "+s.namespace)
		out, err := s.tryKubectl(text, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
		assert.NoError(t, err, "%s: %s", file, out)
	}
}

func TestEngineSeesNoDriftInWhatTheClusterCompletes(t *testing.T) {
	s := newStage(t)
	for name, in := range goldens() {
		in.Namespace = s.namespace
		in.Name = name
		for i := range in.Groups {
			g := &in.Groups[i]
			if g.Replicas != nil {
				g.Replicas = new(0)
			}
			for j := range g.Services {
				g.Services[j].Name = name + strings.TrimPrefix(g.Services[j].Name, "web")
				for k := range g.Services[j].Ports {
					g.Services[j].Ports[k].NodePort = 0
				}
			}
		}
		require.NoError(t, s.engine.Apply(s.ctx, in, engine.ApplyOptions{Create: true}), name)
		assert.Empty(t, s.observe(in).Drift, name)
		require.NoError(t, s.engine.Apply(s.ctx, in, engine.ApplyOptions{}), name)
		assert.Empty(t, s.observe(in).Drift, name)
	}
}

func TestEngineFitsTheClaimsThatAnEarlierInstanceLeft(t *testing.T) {
	s := newStage(t)
	db := s.demo(1)
	g := &db.Groups[0]
	g.Identity = topology.Stable
	g.Volumes = []topology.Volume{{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20}}}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "data", Path: "/data"}}
	s.up(db)
	for _, c := range []struct {
		name   string
		change func(*topology.PersistentVolume)
		says   string
	}{
		{"larger, in a class that does not expand", func(p *topology.PersistentVolume) { p.SizeBytes = 2 << 20 }, "only dynamically provisioned pvc can be resized"},
		{"smaller", func(p *topology.PersistentVolume) { p.SizeBytes = 1 << 10 }, "cannot shrink"},
		{"another class", func(p *topology.PersistentVolume) { p.Class = "other" }, `is of the class "standard"`},
	} {
		changed := *g.Volumes[0].Persistent
		c.change(&changed)
		other := s.demo(1)
		other.Groups[0] = *g
		other.Groups[0].Volumes = []topology.Volume{{Name: "data", Persistent: &changed}}
		var rejected *engine.RejectedError
		require.ErrorAs(t, s.engine.Apply(s.ctx, other, engine.ApplyOptions{}), &rejected, c.name)
		assert.Equal(t, "PersistentVolumeClaim "+s.namespace+"/data-web-0", rejected.Object)
		assert.Contains(t, rejected.Reason, c.says)
	}
	assert.Equal(t, "ready", s.observe(db).Phase, "nothing was touched")
}
