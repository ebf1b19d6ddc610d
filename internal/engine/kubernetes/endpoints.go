package kubernetes

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// endpoints of all services.
func (c *client) endpoints(ctx context.Context, t *topology.Topology, live map[string]*Object, record *Object) map[string][]string {
	out := map[string][]string{}
	var machines []string
	for _, g := range t.Groups {
		for _, s := range g.Services {
			o := live["v1/Service/"+s.Name]
			if o == nil {
				continue
			}
			svc := typed[corev1.Service](o)
			if svc == nil {
				continue
			}
			if s.Exposure == topology.ExposeNode && machines == nil {
				if machines = notedNodes(record); machines == nil {
					machines = c.nodeAddresses(ctx)
				}
			}
			for _, p := range svc.Spec.Ports {
				key := engine.EndpointKey(t, s, p.Name)
				if key == "" {
					continue
				}
				out[key] = addresses(svc, &p, machines)
			}
		}
	}
	return out
}

// notedNodes are those that the record remembers.
func notedNodes(record *Object) []string {
	noted, there := record.GetAnnotations()[annotationNodes]
	if !there {
		return nil
	}
	if noted == "" {
		return []string{}
	}
	return strings.Split(noted, ",")
}

// addresses of one port, as far outside as the service reaches.
func addresses(s *corev1.Service, p *corev1.ServicePort, machines []string) []string {
	var out []string
	switch s.Spec.Type {
	case corev1.ServiceTypeNodePort:
		for _, m := range machines {
			out = append(out, net.JoinHostPort(m, strconv.Itoa(int(p.NodePort))))
		}
	case corev1.ServiceTypeLoadBalancer:
		for _, in := range s.Status.LoadBalancer.Ingress {
			host := in.Hostname
			if host == "" {
				host = in.IP
			}
			out = append(out, net.JoinHostPort(host, strconv.Itoa(int(p.Port))))
		}
		return out // until the balancer is there, there is no address that clients may use
	}
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("%s.%s.svc:%d", s.Name, s.Namespace, p.Port))
	}
	return out
}

// nodeAddress of a machine: the external one if it has one.
func nodeAddress(o *Object) string {
	n := typed[corev1.Node](o)
	if n == nil {
		return ""
	}
	address := ""
	for _, a := range n.Status.Addresses {
		switch a.Type {
		case corev1.NodeExternalIP:
			return a.Address
		case corev1.NodeInternalIP:
			address = a.Address
		}
	}
	return address
}
