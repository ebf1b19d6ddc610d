package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// provider of services: Nomad itself, so that no Consul is needed.
const provider = "nomad"

// services of a task: those that list its ports, and, if it has probes but no service to carry them, one of its own.
//
// They are the task's and not the group's, so that they are listed only while the container runs, and that a failed
// liveness probe restarts this container and no other.
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
		out = append(out, &api.Service{Name: short(name + "-probes"), Provider: provider, PortLabel: checks[0].PortLabel})
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
		check.PortLabel = ps.labelOf(c, port)
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

// labelOf a container's port among the published ones.
func (ps groupPorts) labelOf(c *topology.Container, name string) string {
	for _, p := range ps.list {
		if p.container == c.Name && p.target.Name == name {
			return p.label
		}
	}
	return ""
}

// probed are the names of the ports that a container's probes ask.
func probed(c *topology.Container) (out []string) {
	for _, p := range []*topology.Probe{c.Probes.Startup, c.Probes.Readiness, c.Probes.Liveness} {
		switch {
		case p == nil:
		case p.HTTP != nil:
			out = append(out, p.HTTP.Port)
		case p.TCP != nil:
			out = append(out, p.TCP.Port)
		}
	}
	return out
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
