package nomad

import (
	"fmt"
	"path"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// endpointTemplates render the files of a volume of endpoints: the addresses that Nomad's own services list. Nomad renders
// them before the container starts, waits for nobody to serve, and lets every task read the services of its namespace.
func (b *builder) endpointTemplates(files []topology.EndpointFile, folder string) (out []*api.Template) {
	for _, f := range files {
		_, s, p, found := b.t.Endpoint(f)
		if !found { // see engine.CheckEndpoints
			continue
		}
		// An IPv6 address is written in brackets, as everywhere before a port.
		body := fmt.Sprintf(`{{ range nomadService %s }}{{ if sprig_contains ":" .Address }}[{{ .Address }}]{{ else }}{{ .Address }}{{ end }}:{{ .Port }}{{ "\n" }}{{ end }}`,
			quoted(ServiceName(*s, *p)))
		out = append(out, template(body, path.Join(folder, f.File), "0444"))
	}
	return out
}
