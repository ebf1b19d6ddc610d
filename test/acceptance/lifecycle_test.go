//go:build acceptance

package acceptance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLifecycle(t *testing.T) {
	onBoth(t, func(s *stage) {
		s.runs(demo())
		require.Equal(s, "create", s.apply().Changes["pattern_sidecar.web"])
		s.unchanged("after the creation")
		web := s.instance("web")
		require.Equal(s, "ready", web["status"].(object)["phase"])
		require.NotEmpty(s, web["objects"])
		require.NotEmpty(s, web["endpoints"].(object)["http"])
		require.Len(s, s.replicas(s.T, "web"), 1)

		s.runs(with(demo(), object{"replicas": 2, "main.env": object{"COLOUR": "green"}}))
		require.Equal(s, "update", s.apply().Changes["pattern_sidecar.web"])
		s.unchanged("after the update")
		require.EqualValues(s, 2, s.instance("web")["status"].(object)["ready"])

		s.destroy()
		s.gone("web")
	})
}
