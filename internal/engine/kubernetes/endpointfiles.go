package kubernetes

import (
	"fmt"
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// withEndpoints turns the volumes of endpoints into watched configs. A Service's name stands for its replicas whoever they
// are, so the files change only when the Service does, and who follows the replicas watches them.
func withEndpoints(t *topology.Topology) *topology.Topology {
	out := *t
	out.Configs, out.Groups = slices.Clone(t.Configs), slices.Clone(t.Groups)
	for i := range out.Groups {
		g := &out.Groups[i]
		g.Volumes = slices.Clone(g.Volumes)
		for j := range g.Volumes {
			v := &g.Volumes[j]
			if v.Endpoints == nil {
				continue
			}
			c := topology.Config{Name: g.Name + "-" + v.Name + "-endpoints", Files: map[string]string{}, Reload: true}
			for _, f := range v.Endpoints {
				c.Files[f.File] = endpointLine(t, f)
				if f.Watch && !slices.ContainsFunc(g.Grants, func(g topology.Grant) bool { return g.Verb == topology.GrantObserve }) {
					g.Grants = append(slices.Clone(g.Grants), topology.Grant{Verb: topology.GrantObserve})
				}
			}
			out.Configs = append(out.Configs, c)
			v.Endpoints, v.Config = nil, c.Name
		}
	}
	return &out
}

// endpointLine is where a service of the instance is reached. One without an address of its own is reached at the ports of
// its replicas.
func endpointLine(t *topology.Topology, f topology.EndpointFile) string {
	g, s, p, found := t.Endpoint(f)
	if !found { // see engine.CheckEndpoints
		return ""
	}
	port := p.Port
	if s.Headless {
		port = portNumber(g, p.Target)
	}
	host := s.Name
	if t.Namespace != "" {
		host += "." + t.Namespace + ".svc"
	}
	return fmt.Sprintf("%s:%d\n", host, port)
}

// portNumber of a group's port.
func portNumber(g *topology.Group, name string) int {
	for _, c := range g.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return p.Number
			}
		}
	}
	return 0
}
