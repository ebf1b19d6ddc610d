package kubernetes

import (
	"bytes"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Manifest is the translation as YAML documents, in the order of application.
func Manifest(t *topology.Topology, o Options) ([]byte, error) {
	objects, err := Translate(t, o)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for i, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("write %s as YAML: %w", describe(object), err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}
