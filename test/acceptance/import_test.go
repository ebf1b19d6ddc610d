//go:build acceptance

package acceptance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPromise07ImportGivesAnEmptyPlan(t *testing.T) {
	onBoth(t, func(s *stage) {
		web := with(demo(), object{
			"labels":          object{"team": "web"},
			"volumes":         object{"settings": object{"config": object{"files": object{"a.txt": "one\ntwo"}}}},
			"main.mounts":     object{"settings": object{"path": "/etc/settings", "read_only": true}},
			"secrets":         object{"key": object{"generate": object{"session": 32}}},
			"main.secret_env": object{"SESSION": object{"secret": "key", "key": "session"}},
		})
		s.runs(web)
		s.apply()
		before := s.instance("web")

		for _, id := range []string{s.namespace + "/web", "web"} {
			s.forget()
			s.raw("import", "-input=false", "pattern_sidecar.web", id)
			s.unchanged("after the import of " + id)
		}
		require.Equal(s, before["revision"], s.instance("web")["revision"])

		s.forget()
		refused := s.command("import", "-input=false", "pattern_sidecar.web", s.namespace+"/nobody")
		out, err := refused.CombinedOutput()
		require.Error(s, err)
		require.Contains(s, string(out), "Nothing to import")

		s.raw("import", "-input=false", "pattern_sidecar.web", "web")
		s.destroy()
		s.gone("web")
	})
}

// forget the state, as if another workspace had made what there is.
func (w *workspace) forget() {
	w.Helper()
	require.NoError(w, os.Remove(filepath.Join(w.dir, "terraform.tfstate")))
}
