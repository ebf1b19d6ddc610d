package engine

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// EndpointKey is what the addresses of a service's port are called in [Observation]: "http", or "SERVICE/http" when there are several
// services, or "ROLE.http"; "" where they are nobody's business but the replicas' own.
func EndpointKey(t *topology.Topology, s topology.Service, port string) string {
	several := 0
	for _, g := range t.Groups {
		for _, s := range g.Services {
			if s.Role == "" && !s.Unready {
				several++
			}
		}
	}
	switch {
	case s.Unready:
		return ""
	case s.Role != "":
		return s.Role + "." + port
	case several > 1:
		return s.Name + "/" + port
	}
	return port
}

// CheckEndpoints finds the endpoint files that name nothing of the instance, whose addresses nobody could know, and mounts
// of single ones, which no engine ever replaces.
func CheckEndpoints(l *fault.List, t *topology.Topology) {
	for _, g := range t.Groups {
		for _, v := range g.Volumes {
			at := fault.Key("volumes", v.Name) + ".endpoints"
			for _, f := range v.Endpoints {
				if _, _, _, found := t.Endpoint(f); !found {
					l.Add(fault.Key(at, f.File), "no group of %q has a service %q with a port %q", t.Name, f.Service, f.Port)
				}
			}
			for _, c := range g.Containers {
				for _, m := range c.Mounts {
					if v.Endpoints != nil && m.Volume == v.Name && m.SubPath != "" {
						l.Add(fault.Key(c.Origin+".mounts", v.Name)+".sub_path", "a single file of a volume of endpoints is not kept current: mount the whole volume")
					}
				}
			}
		}
	}
}
