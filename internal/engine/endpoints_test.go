package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEndpointFilesMustNameWhatTheInstanceServes(t *testing.T) {
	in := func(f topology.EndpointFile, subPath string) *topology.Topology {
		return &topology.Topology{Name: "web", Groups: []topology.Group{
			{Name: "queue", Services: []topology.Service{{Name: "web", Ports: []topology.ServicePort{{Name: "http"}}}}},
			{
				Name: "resize", Volumes: []topology.Volume{{Name: "peers", Endpoints: []topology.EndpointFile{f}}},
				Containers: []topology.Container{{Name: "main", Origin: "main", Mounts: []topology.Mount{{Volume: "peers", Path: "/peers", SubPath: subPath}}}},
			},
		}}
	}
	for _, c := range []struct {
		name    string
		file    topology.EndpointFile
		subPath string
		path    string
	}{
		{"a port of a service", topology.EndpointFile{File: "queue", Service: "web", Port: "http"}, "", ""},
		{"a port that the service has not", topology.EndpointFile{File: "queue", Service: "web", Port: "grpc"}, "", `volumes["peers"].endpoints["queue"]`},
		{"a service that there is not", topology.EndpointFile{File: "queue", Service: "shop", Port: "http"}, "", `volumes["peers"].endpoints["queue"]`},
		{"a mount of one file", topology.EndpointFile{File: "queue", Service: "web", Port: "http"}, "queue", `main.mounts["peers"].sub_path`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l fault.List
			CheckEndpoints(&l, in(c.file, c.subPath))
			if c.path == "" {
				assert.Empty(t, l)
				return
			}
			if assert.Len(t, l, 1) {
				assert.Equal(t, c.path, l[0].Path)
			}
		})
	}
}
