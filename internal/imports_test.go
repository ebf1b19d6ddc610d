// Package internal_test guards the layers: who may import whom.
package internal_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/container-patterns/terraform-provider-pattern/"

// layers from the outside in: a package may import those of the same layer and of the layers that are listed for it.
var layers = []struct {
	prefix string
	// within are the only packages of this module that it may import, besides its own.
	within []string
	// not are modules of others that it must not know, in whole or by a dependency.
	not []string
	why string
}{
	{"internal/fault", nil, []string{"k8s.io/client-go", "github.com/hashicorp/nomad", terraform}, "it is what everybody else may import"},
	{"internal/topology", nil, []string{"k8s.io", "github.com/hashicorp/nomad", terraform}, "it knows no engine and no pattern"},
	{"internal/patterns", []string{"internal/fault", "internal/topology", "images/*/config", "images/*/api", "images/internal/settings"}, []string{"k8s.io/api/", "k8s.io/client-go", "github.com/hashicorp/nomad", terraform}, "patterns are pure: they know neither Terraform nor an engine"},
	{"internal/engine/kubernetes", []string{"internal/engine", "internal/fault", "internal/topology"}, []string{"github.com/hashicorp/nomad", terraform}, "an engine knows no pattern, and not the other engine"},
	{"internal/engine/nomad", []string{"internal/engine", "internal/fault", "internal/topology"}, []string{"k8s.io/client-go", terraform}, "an engine knows no pattern, and not the other engine"},
	{"internal/provider/instance", []string{"internal/engine", "internal/fault", "internal/patterns", "internal/topology", "internal/provider", "images/*/config"}, []string{"k8s.io/client-go", "github.com/hashicorp/nomad"}, "the resource does not know what a Deployment or a task group is"},
}

const terraform = "github.com/hashicorp/terraform-plugin-"

type listed struct {
	ImportPath string
	Deps       []string
}

func TestLayers(t *testing.T) {
	raw, err := exec.Command("go", "list", "-json=ImportPath,Deps", module+"internal/...").Output()
	require.NoError(t, err)
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(raw))); d.More(); {
		var l listed
		require.NoError(t, d.Decode(&l))
		all = append(all, l)
	}
	for _, layer := range layers {
		t.Run(layer.prefix, func(t *testing.T) {
			var found bool
			for _, l := range all {
				own := strings.TrimPrefix(l.ImportPath, module)
				if !below(own, layer.prefix) {
					continue
				}
				found = true
				for _, dep := range l.Deps {
					if ours, ok := strings.CutPrefix(dep, module); ok {
						allowed := below(ours, layer.prefix) || slices.ContainsFunc(layer.within, func(w string) bool { return below(ours, w) })
						assert.Truef(t, allowed, "%s imports %s: %s", own, ours, layer.why)
					}
					for _, not := range layer.not {
						assert.Falsef(t, strings.HasPrefix(dep, not), "%s links %s: %s", own, dep, layer.why)
					}
				}
			}
			assert.True(t, found, "there is no such layer any more")
		})
	}
}

// below tells whether a package lies in a folder; * stands for one name.
func below(pkg, folder string) bool {
	p, f := strings.Split(pkg, "/"), strings.Split(folder, "/")
	if len(p) < len(f) {
		return false
	}
	for i := range f {
		if f[i] != "*" && f[i] != p[i] {
			return false
		}
	}
	return true
}
