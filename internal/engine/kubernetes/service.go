package kubernetes

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func services(t *topology.Topology, g *topology.Group) []any {
	var out []any
	for i := range g.Services {
		out = append(out, service(t, g, &g.Services[i]))
	}
	if g.Identity == topology.Stable {
		out = append(out, peers(t, g))
	}
	return out
}

// service goes by the name that the pattern gave it, because containers look for it by that.
func service(t *topology.Topology, g *topology.Group, s *topology.Service) *corev1.Service {
	out := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(t, g.Name, s.Name),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: selector(t, g.Name)},
	}
	if len(s.Annotations) > 0 {
		all := maps.Clone(s.Annotations)
		maps.Copy(all, out.Annotations)
		out.Annotations = all
	}
	switch s.Exposure {
	case topology.ExposeNode:
		out.Spec.Type = corev1.ServiceTypeNodePort
	case topology.ExposeLoadBalancer:
		out.Spec.Type = corev1.ServiceTypeLoadBalancer
	}
	out.Spec.PublishNotReadyAddresses = s.Unready
	if s.Headless {
		out.Spec.ClusterIP = corev1.ClusterIPNone
	}
	for _, p := range s.Ports {
		out.Spec.Ports = append(out.Spec.Ports, corev1.ServicePort{
			Name: p.Name, Port: int32(p.Port), Protocol: portProtocol(g, p.Target),
			TargetPort: intstr.FromString(p.Target), NodePort: int32(p.NodePort),
		})
	}
	return out
}

func portProtocol(g *topology.Group, name string) corev1.Protocol {
	for _, c := range g.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return protocol(p.Protocol)
			}
		}
	}
	return corev1.ProtocolTCP
}

// peers gives each replica of a stable group a name in DNS, also before it is ready: replicas look for each other in
// order to become so.
func peers(t *topology.Topology, g *topology.Group) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(t, g.Name, peersName(t.Name, g.Name)),
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone, Selector: selector(t, g.Name),
			PublishNotReadyAddresses: true,
		},
	}
}
