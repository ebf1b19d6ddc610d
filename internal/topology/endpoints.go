package topology

// EndpointFile names where a service of the instance is reached: a text file with one HOST:PORT a line, in an order that
// means nothing. It is replaced by rename when they change, without a restart of its readers, so whoever reads it opens it
// again. It is empty while nobody serves, and there may be lines of replicas that do not answer yet or any more.
type EndpointFile struct {
	// File is its base name in the volume's folder.
	File string `json:"file"`
	// Service of one of the topology's groups, be it the reader's own.
	Service string `json:"service"`
	// Port is the name of one of the service's ports.
	Port string `json:"port"`
	// Watch: the reader follows the service's replicas one by one. Where files cannot name them the group may ask the engine
	// for them, as if it had GrantObserve.
	Watch bool `json:"watch,omitempty"`
}

// Endpoint finds the service and the port that an endpoint file names, and the group that serves it.
func (t *Topology) Endpoint(f EndpointFile) (*Group, *Service, *ServicePort, bool) {
	for i := range t.Groups {
		g := &t.Groups[i]
		for j := range g.Services {
			s := &g.Services[j]
			for k := range s.Ports {
				if p := &s.Ports[k]; s.Name == f.Service && p.Name == f.Port {
					return g, s, p, true
				}
			}
		}
	}
	return nil, nil, nil, false
}
