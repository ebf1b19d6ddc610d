package discovery

import "net/netip"

// What is needed of discovery.k8s.io/v1, EndpointSlice.
type (
	slice struct {
		Metadata    metadata `json:"metadata"`
		AddressType string   `json:"addressType"`
		Endpoints   []struct {
			Addresses  []string   `json:"addresses"`
			Conditions conditions `json:"conditions"`
		} `json:"endpoints"`
		Ports []struct {
			Port *int32 `json:"port"`
		} `json:"ports"`
	}
	metadata struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	}
	// conditions that are not told are true.
	conditions struct {
		Ready   *bool `json:"ready"`
		Serving *bool `json:"serving"`
	}
	sliceList struct {
		Metadata metadata `json:"metadata"`
		Items    []slice  `json:"items"`
	}
)

func holds(condition *bool) bool { return condition == nil || *condition }

// has tells whether the endpoints have a port. Slices of Services without ports say nothing of them, and those without endpoints
// neither.
func (s *slice) has(port uint16) bool {
	for _, p := range s.Ports {
		if p.Port == nil || *p.Port == int32(port) {
			return true
		}
	}
	return len(s.Ports) == 0
}

// endpoints of all slices: those that are ready, or, where none is, those that serve (and are about to end). Not known if there
// is no slice, or none that has the port.
func endpoints(all map[string]slice, port uint16) (out []netip.Addr, known bool) {
	var ready, serving []netip.Addr
	for _, s := range all {
		if s.AddressType == "FQDN" || !s.has(port) {
			continue
		}
		known = true
		for _, e := range s.Endpoints {
			for _, text := range e.Addresses {
				address, err := netip.ParseAddr(text)
				switch {
				case err != nil:
				case holds(e.Conditions.Ready):
					ready = append(ready, address)
				case holds(e.Conditions.Serving):
					serving = append(serving, address)
				}
			}
		}
	}
	if len(ready) > 0 {
		return oneFamily(ready), known
	}
	return oneFamily(serving), known
}
