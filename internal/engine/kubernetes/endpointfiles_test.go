package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestAnEndpointFileNamesTheService(t *testing.T) {
	for _, c := range []struct {
		name, namespace string
		headless        bool
		want            string
	}{
		{"by its namespace", "shop", false, "web.shop.svc:80\n"},
		{"by itself where the namespace is not known", "", false, "web:80\n"},
		{"with the replicas' own port where it has no address", "shop", true, "web.shop.svc:8080\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := minimal()
			in.Namespace = c.namespace
			in.Groups[0].Containers[0].Ports = []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}}
			in.Groups[0].Services = []topology.Service{{Name: "web", Headless: c.headless, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
			in.Groups[0].Volumes = []topology.Volume{{Name: "peers", Endpoints: []topology.EndpointFile{{File: "web", Service: "web", Port: "http"}}}}
			got := withEndpoints(in)
			assert.Equal(t, "main-peers-endpoints", got.Groups[0].Volumes[0].Config)
			assert.Equal(t, []topology.Config{{Name: "main-peers-endpoints", Reload: true, Files: map[string]string{"web": c.want}}}, got.Configs)
			assert.NotEmpty(t, in.Groups[0].Volumes[0].Endpoints, "the topology itself is left as it was")
		})
	}
}

func TestAReaderThatWatchesMayObserve(t *testing.T) {
	in := minimal()
	in.Groups[0].Services = []topology.Service{{Name: "web", Ports: []topology.ServicePort{{Name: "http", Port: 80}}}}
	in.Groups[0].Volumes = []topology.Volume{{Name: "peers", Endpoints: []topology.EndpointFile{
		{File: "web", Service: "web", Port: "http", Watch: true}, {File: "again", Service: "web", Port: "http", Watch: true},
	}}}
	assert.Equal(t, []topology.Grant{{Verb: topology.GrantObserve}}, withEndpoints(in).Groups[0].Grants)
	assert.Empty(t, in.Groups[0].Grants, "the topology itself is left as it was")
}
