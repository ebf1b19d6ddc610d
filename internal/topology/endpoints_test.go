package topology

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnEndpointFileNamesAPortOfAServiceOfTheInstance(t *testing.T) {
	in := &Topology{Groups: []Group{
		{Name: "workers"},
		{Name: "queue", Services: []Service{{Name: "q", Ports: []ServicePort{{Name: "admin", Port: 81}, {Name: "http", Port: 80}}}}},
	}}
	for _, c := range []struct {
		name          string
		service, port string
		number        int
	}{
		{"the port of that name", "q", "http", 80},
		{"another port of the same service", "q", "admin", 81},
		{"a port that the service has not", "q", "grpc", 0},
		{"a service that is not the instance's", "other", "http", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, s, p, found := in.Endpoint(EndpointFile{Service: c.service, Port: c.port})
			assert.Equal(t, c.number > 0, found)
			if found {
				assert.Equal(t, c.number, p.Port)
				assert.Same(t, &in.Groups[1], g)
				assert.Same(t, &in.Groups[1].Services[0], s)
			}
		})
	}
}
