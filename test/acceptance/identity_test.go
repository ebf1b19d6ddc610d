//go:build acceptance

package acceptance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Import blocks with an identity came with Terraform 1.12; OpenTofu knows them as well.
func TestPromise07ImportByIdentityGivesAnEmptyPlan(t *testing.T) {
	onTool(t, "tofu", func(s *stage) {
		s.runs(demo())
		s.apply()
		for _, identity := range []object{{"name": "web"}, {"name": "web", "namespace": s.namespace}} {
			s.forget()
			s.write(s.provider(), object{
				"import":   []object{{"to": "pattern_sidecar.web", "identity": identity}},
				"resource": object{"pattern_sidecar": object{"web": demo()}},
			})
			r := s.apply()
			assert.Contains(s, []string{"", "import"}, r.Changes["pattern_sidecar.web"], "nothing but the import: %s", s.differences())
			require.NotNil(s, s.instance("web"))
			s.runs(demo())
			s.unchanged("after the import by identity")
		}
		s.destroy()
		s.gone("web")
	})
}
