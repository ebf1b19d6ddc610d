package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// provider of services: Nomad itself, so that no Consul is needed.
const provider = "nomad"

// services of a task: those that list its ports, and, if it has probes but no service to carry them, one of its own that
// lists nothing but an address inside the group.
func (ps groupPorts) services(t *topology.Topology, g *topology.Group, c *topology.Container) (out []*api.Service) {
	for _, p := range ps.list {
		if p.container != c.Name {
			continue
		}
		for _, name := range p.services {
			out = append(out, &api.Service{Name: name, Provider: provider, PortLabel: p.label, Tags: p.tags})
		}
	}
	checks := ps.checks(c)
	if len(checks) == 0 {
		return out
	}
	if len(out) == 0 {
		name := t.Name + "-" + c.Name
		if len(t.Groups) > 1 {
			name = t.Name + "-" + g.Name + "-" + c.Name
		}
		out = append(out, &api.Service{Name: short(name + "-probes"), Provider: provider, AddressMode: "alloc", PortLabel: checks[0].PortLabel})
		if number, err := strconv.Atoi(checks[0].PortLabel); err != nil || number == 0 {
			out[0].AddressMode = ""
		}
	}
	out[0].Checks = checks
	return out
}

// checks ask what the container's probes ask.
//
// Startup and readiness probes gate the health of a deployment. A liveness probe restarts the container; it waits until
// the startup probe would have given up, as nothing in Nomad stops it before the first success.
func (ps groupPorts) checks(c *topology.Container) (out []api.ServiceCheck) {
	add := func(what string, p *topology.Probe, restart *api.CheckRestart) {
		if p == nil || len(p.Exec) > 0 {
			return
		}
		check := api.ServiceCheck{
			Name: c.Name + " " + what, Interval: seconds(p.PeriodSeconds), Timeout: seconds(p.TimeoutSeconds), CheckRestart: restart,
		}
		var port string
		if p.HTTP != nil {
			check.Type, check.Path, check.Protocol, port = "http", p.HTTP.Path, "http", p.HTTP.Port
			if p.HTTP.Scheme == "https" { // Kubernetes does not verify the certificate either
				check.Protocol, check.TLSSkipVerify = "https", true
			}
		} else {
			check.Type, port = "tcp", p.TCP.Port
		}
		check.PortLabel, check.AddressMode = ps.reach(c, port)
		out = append(out, check)
	}
	add("startup", c.Probes.Startup, nil)
	add("readiness", c.Probes.Readiness, nil)
	if p := c.Probes.Liveness; p != nil {
		grace := seconds(p.DelaySeconds)
		if p.DelaySeconds == 0 {
			grace = time.Second
		}
		if s := c.Probes.Startup; s != nil {
			grace += time.Duration(s.DelaySeconds+s.PeriodSeconds*s.FailureThreshold) * time.Second
		}
		add("liveness", p, &api.CheckRestart{Limit: max(1, p.FailureThreshold), Grace: &grace})
	}
	return out
}

// reach says how Nomad's client comes to a port: by the node's, or inside the group where it is not published.
func (ps groupPorts) reach(c *topology.Container, name string) (label, mode string) {
	for _, p := range ps.list {
		if p.container == c.Name && p.target.Name == name {
			return p.label, ""
		}
	}
	for _, p := range c.Ports {
		if p.Name == name {
			return strconv.Itoa(p.Number), "alloc"
		}
	}
	return "", ""
}

// seconds of a probe; Nomad wants at least one.
func seconds(n int) time.Duration { return time.Duration(max(1, n)) * time.Second }

// short fits a name into the 63 bytes of a DNS label, with room for the index of a replica.
func short(name string) string {
	const most = 58
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-9] + "-" + hex.EncodeToString(sum[:4])
}
