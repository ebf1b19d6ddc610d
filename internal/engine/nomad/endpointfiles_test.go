package nomad

import (
	"bytes"
	"strings"
	"testing"
	tt "text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestAnEndpointFileHasALineForEachReplica(t *testing.T) {
	type registration struct {
		Address string
		Port    int
	}
	listed := map[string][]registration{
		"web":      {{"10.0.0.1", 20001}, {"fd00::1", 20002}},
		"db-sql":   {{"10.0.0.3", 20003}},
		"db-admin": nil,
	}
	top := minimal()
	top.Groups[0].Services = []topology.Service{
		{Name: "web", Ports: []topology.ServicePort{{Name: "http"}}},
		{Name: "db", Ports: []topology.ServicePort{{Name: "sql"}, {Name: "admin"}}},
	}
	b := &builder{t: top, plan: &Plan{}}
	files := []topology.EndpointFile{{File: "web", Service: "web", Port: "http"}, {File: "sql", Service: "db", Port: "sql"}, {File: "admin", Service: "db", Port: "admin"}}
	got := map[string]string{}
	for _, made := range b.endpointTemplates(files, "local/endpoints/x") {
		assert.Equal(t, "noop", *made.ChangeMode, "no reader is restarted")
		parsed, err := tt.New("").Funcs(tt.FuncMap{
			"nomadService":   func(name string) []registration { return listed[name] },
			"sprig_contains": func(part, s string) bool { return strings.Contains(s, part) },
		}).Parse(*made.EmbeddedTmpl)
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, parsed.Execute(&out, nil))
		got[*made.DestPath] = out.String()
	}
	assert.Equal(t, map[string]string{
		"local/endpoints/x/web":   "10.0.0.1:20001\n[fd00::1]:20002\n",
		"local/endpoints/x/sql":   "10.0.0.3:20003\n",
		"local/endpoints/x/admin": "",
	}, got)
}
