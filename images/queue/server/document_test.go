package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func TestTheDocumentHasAllRoutesAndNoOthers(t *testing.T) {
	r := newRig(t, one())
	a := r.ask("GET", "/v1/openapi.yaml", "", nil)
	require.Equal(t, 200, a.status)
	assert.Equal(t, "application/yaml", a.header.Get("Content-Type"))
	assert.Equal(t, string(api.Document), a.body)
	type operation struct {
		Security *[]map[string][]string `json:"security"`
	}
	var document struct {
		Security []map[string][]string           `json:"security"`
		Paths    map[string]map[string]operation `json:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(api.Document, &document))
	operations := 0
	for path, methods := range document.Paths {
		at := strings.NewReplacer("{stage}", "work", "{name}", "a", "{ref}", "blob:a").Replace(path)
		routes := find(&request{Request: httptest.NewRequest(http.MethodGet, at, nil)})
		assert.Len(t, routes, len(methods), path)
		for _, route := range routes {
			described, ok := methods[strings.ToLower(route.method)]
			if !assert.True(t, ok, "%s %s", route.method, path) {
				continue
			}
			operations++
			security := document.Security
			if described.Security != nil {
				security = *described.Security
			}
			may := nobody
			for _, one := range security {
				for name := range one {
					may |= map[string]who{"client": client, "worker": worker}[name]
				}
			}
			assert.Equal(t, route.may, may, "who may %s %s", route.method, path)
		}
	}
	assert.Equal(t, 18, operations, "all routes of package api's list, and the document")
}
