//go:build engine

package nomad

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestAContainerIsConfinedUnlessItIsLoosened(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		security topology.Security
		status   map[string]string // of its process
		writable bool
	}{
		{"by default", topology.Security{}, map[string]string{"Uid": "65532", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}, false},
		{"with a user, a capability and the rest loosened", topology.Security{
			User: new(int64(0)), Group: new(int64(0)), Root: true, WritableRoot: true, Escalation: true, Unconfined: true, Capabilities: []string{"NET_BIND_SERVICE"},
		}, map[string]string{"Uid": "0", "CapEff": "0000000000000400", "NoNewPrivs": "0", "Seccomp": "0"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.serving()
			top.Groups[0].Containers[0].Security = tc.security
			r.up(top)
			status := r.ask(top, "/file", "path", "/proc/self/status")
			for field, want := range tc.status {
				got := regexp.MustCompile(`(?m)^` + field + `:\s+(\S+)`).FindStringSubmatch(status)
				require.NotNil(t, got, field)
				assert.Equal(t, want, got[1], field)
			}
			_, err := r.get(r.observe(top).Endpoints["http"][0], "/write", values("path", "/written", "text", "x"))
			assert.Equal(t, tc.writable, err == nil, "%v", err)
		})
	}
}
