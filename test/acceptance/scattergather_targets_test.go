//go:build acceptance

package acceptance

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// above is a tree above the guide's, and above somebody who does not answer.
const above = `
resource "pattern_scatter_gather" "above" {
  name = "above"
  targets = {
    first  = { url = pattern_scatter_gather.first.url }
    nobody = { url = "http://127.0.0.1:9" }
  }
  merge  = { top_k = { k = 3, by = "score", items = "results" } }
  policy = { require = "best_effort" }
  root   = { replicas = 1, expose = { reach = "node" } }
}
`

// The guide's tree as it stands there, and a second one above it: a root is a target like any other.
func TestAScatterGatherIsATargetOfAnother(t *testing.T) {
	image := must(t, "TEST_SEARCH_LEAF_IMAGE") // any with Python
	on(t, func(s *stage) {
		s.write(s.providerOfThisRun())
		s.example("guides/first-scatter-gather", nil)
		s.edit("main.tf", "docker.io/library/python:3-slim", image)
		s.apply()
		s.unchanged("after the first apply")
		first := s.instance("first")
		assert.Equal(t, map[string]any{"depth": 2.0, "levels": []any{1.0, 2.0, 4.0}}, first["tree"])

		ask := func(instance string) (envelope contract.Envelope[[]map[string]any], header http.Header) {
			eventually(s.T, 30*time.Second, func() bool { // a node's port takes a moment
				response, err := http.Get(s.instance(instance)["url"].(string) + "/whatever")
				if err != nil {
					return false
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				require.NoError(s, err)
				require.Equal(s, http.StatusOK, response.StatusCode, string(body))
				require.NoError(s, json.Unmarshal(body, &envelope))
				header = response.Header
				return true
			}, "%s answers", instance)
			return envelope, header
		}
		below, header := ask("first")
		assert.Equal(t, "4/4", header.Get(contract.HeaderCoverage))
		assert.Equal(t, []map[string]any{{"shard": 3.0, "score": 47.0}, {"shard": 1.0, "score": 46.0}, {"shard": 2.0, "score": 40.0}}, below.Results, "as the guide says")

		require.NoError(s, os.WriteFile(filepath.Join(s.dir, "above.tf"), []byte(above), 0o600))
		s.apply()
		s.unchanged("with one above")
		all, header := ask("above")
		assert.Equal(t, below.Results, all.Results, "its hits are those of the tree below")
		assert.Equal(t, "1/2", header.Get(contract.HeaderCoverage))
		assert.Contains(t, header.Get(contract.HeaderMissing), `reason="`)
		assert.False(t, all.Coverage.Complete)
		s.destroy()
		s.gone("first")
		s.gone("above")
	})
}
