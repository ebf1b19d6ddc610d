package nomad

import (
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// groupPorts are the ports of a group that are published on its node: those that a service targets, those that a container
// tells others of, and those that are probed, since Nomad's client asks from outside of the group. The others are reached by localhost within the group.
type groupPorts struct {
	list []published
}

// published is one port of a node.
type published struct {
	label     string
	container string
	target    topology.Port
	static    int
	// services that list it, by name.
	services []string
	// tags are the services' annotations.
	tags []string
}

func portsOf(g *topology.Group) groupPorts {
	var out groupPorts
	for _, s := range g.Services {
		for _, sp := range s.Ports {
			container, port := targetOf(g, sp.Target)
			if container == "" {
				continue
			}
			p := out.publish(container, port, sp.NodePort)
			p.services = append(p.services, ServiceName(s, sp))
			if g.Identity == topology.Stable {
				p.services = append(p.services, indexed(ServiceName(s, sp), "${NOMAD_ALLOC_INDEX}"))
			}
			for _, k := range sorted(s.Annotations) {
				p.tags = append(p.tags, k+"="+s.Annotations[k])
			}
		}
	}
	for i := range g.Containers {
		c := &g.Containers[i]
		for _, name := range append(probed(c), reached(c)...) {
			for _, port := range c.Ports {
				if port.Name == name && out.labelOf(c, name) == "" {
					out.publish(c.Name, port, 0)
				}
			}
		}
	}
	return out
}

// reached are the names of the ports that a container wants to know the address of, to tell others.
func reached(c *topology.Container) (out []string) {
	for _, e := range c.Env {
		if e.Field == topology.FieldReached {
			out = append(out, e.Port)
		}
	}
	return out
}

// publish finds or makes the node's port for a container's.
func (ps *groupPorts) publish(container string, port topology.Port, static int) *published {
	label := label(port.Name)
	for i := range ps.list {
		p := &ps.list[i]
		if p.target == port && p.static == static {
			return p
		}
		if p.label == label {
			label += "_" + strconv.Itoa(static)
		}
	}
	ps.list = append(ps.list, published{label: label, container: container, target: port, static: static})
	return &ps.list[len(ps.list)-1]
}

// label of a port becomes part of environment variables.
func label(name string) string { return strings.ReplaceAll(name, "-", "_") }

func targetOf(g *topology.Group, name string) (string, topology.Port) {
	for _, c := range g.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return c.Name, p
			}
		}
	}
	return "", topology.Port{}
}

// ServiceName is the native service's for a port: the service's own where it has one port, else one for each.
func ServiceName(s topology.Service, p topology.ServicePort) string {
	if len(s.Ports) == 1 {
		return short(s.Name)
	}
	return short(s.Name + "-" + p.Name)
}

// IndexedServiceName is the native service's for a port of one replica of a stable group.
func IndexedServiceName(s topology.Service, p topology.ServicePort, index int) string {
	return indexed(ServiceName(s, p), strconv.Itoa(index))
}

func indexed(name, index string) string { return name + "-" + index }

func (ps groupPorts) static() bool {
	for _, p := range ps.list {
		if p.static != 0 {
			return true
		}
	}
	return false
}

func (ps groupPorts) network() *api.NetworkResource {
	n := &api.NetworkResource{Mode: "bridge"}
	for _, p := range ps.list {
		port := api.Port{Label: p.label, Value: p.static, To: p.target.Number}
		if p.static != 0 {
			n.ReservedPorts = append(n.ReservedPorts, port)
		} else {
			n.DynamicPorts = append(n.DynamicPorts, port)
		}
	}
	return n
}
