package framework

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Expose the server of an instance: always within the cluster, and outside where Reach says so.
type Expose struct {
	Port        int               `json:"port,omitempty"`
	Reach       string            `json:"reach,omitempty"`
	NodePort    int               `json:"node_port,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Validate what is exposed at a path.
func (e *Expose) Validate(l *fault.List, at string) {
	if e == nil {
		return
	}
	workload.ValidateReach(l, at, e.Reach, e.Port, e.NodePort)
}

// outside tells whether there is more to reach than the cluster.
func (e *Expose) outside() bool {
	return e != nil && e.Reach != "" && e.Reach != string(topology.ExposeCluster)
}

// InsidePort is the name of the port within the cluster: HTTPPort, or another where HTTPPort is the one for outside.
func (e *Expose) InsidePort(another string) string {
	if e.outside() {
		return another
	}
	return HTTPPort
}

// Services of a server that listens at a port: one for the cluster, and one for outside where that is asked for.
func (e *Expose) Services(instance string, listens int, inside string) []topology.Service {
	var is Expose
	if e != nil {
		is = *e
	}
	port := is.Port
	if port == 0 {
		port = listens
	}
	service := func(name, portName string) topology.Service {
		return topology.Service{Name: name, Exposure: topology.ExposeCluster, Ports: []topology.ServicePort{{Name: portName, Port: port, Target: HTTPPort}}}
	}
	within := service(instance, e.InsidePort(inside))
	if !e.outside() {
		within.Annotations = is.Annotations
		return []topology.Service{within}
	}
	reach := topology.Exposure(is.Reach)
	outside := service(instance+workload.ServiceSuffix(reach), HTTPPort)
	outside.Exposure, outside.Annotations = reach, is.Annotations
	outside.Ports[0].NodePort = is.NodePort
	return []topology.Service{within, outside}
}
