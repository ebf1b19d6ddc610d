package workload

import (
	"path"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// What holds where the user says nothing of a probe.
const (
	defaultPeriodSeconds    = 10
	defaultTimeoutSeconds   = 1
	defaultFailureThreshold = 3
)

// Topology is the container in a role, written in an attribute, reading those of the instance's secrets.
func (c *Container) Topology(name, origin string, role topology.Role, secrets map[string]SecretSet) topology.Container {
	t := topology.Container{
		Name: name, Origin: origin, Role: role,
		Image: c.Image, PullPolicy: topology.PullPolicy(c.PullPolicy),
		Command: c.Command, Args: c.Args, WorkDir: c.WorkingDir,
		Env:        Env(c.Env, c.SecretEnv, secrets),
		Resources:  c.Resources.Topology(),
		StopSignal: c.StopSignal,
		Security:   c.Security.topology(),
	}
	for _, k := range sorted(c.Ports) {
		p := c.Ports[k]
		t.Ports = append(t.Ports, topology.Port{Name: k, Number: p.Port, Protocol: orElse(p.Protocol, "tcp")})
	}
	for _, k := range sorted(c.Mounts) {
		m := c.Mounts[k]
		t.Mounts = append(t.Mounts, topology.Mount{Volume: k, Path: path.Clean(m.Path), SubPath: m.SubPath, ReadOnly: m.ReadOnly})
	}
	if p := c.Probes; p != nil {
		t.Probes = topology.Probes{Startup: p.Startup.topology(), Readiness: p.Readiness.topology(), Liveness: p.Liveness.topology()}
	}
	if h := c.Lifecycle; h != nil {
		t.Hooks = topology.Hooks{PostStart: h.PostStart.topology(), PreStop: h.PreStop.topology()}
	}
	return t
}

// Env joins plain and secret variables, sorted by name.
func Env(plain map[string]string, fromSecret map[string]SecretRef, own map[string]SecretSet) []topology.Env {
	var out []topology.Env
	for _, k := range sorted(plain) {
		out = append(out, topology.Env{Name: k, Value: plain[k]})
	}
	for _, k := range sorted(fromSecret) {
		ref := fromSecret[k]
		_, mine := own[ref.Secret]
		out = append(out, topology.Env{Name: k, Secret: &topology.SecretKey{Name: ref.Secret, Key: ref.Key, Own: mine}})
	}
	return out
}

// Topology of resources that may be nil.
func (r *Resources) Topology() topology.Resources {
	if r == nil {
		return topology.Resources{}
	}
	return topology.Resources{Requests: r.Requests.topology(), Limits: r.Limits.topology()}
}

func (a *Amounts) topology() topology.Amounts {
	if a == nil {
		return topology.Amounts{}
	}
	return topology.Amounts{MilliCPU: int64(a.CPU), MemoryBytes: int64(a.Memory), StorageBytes: int64(a.Storage)}
}

func (s *Security) topology() topology.Security {
	if s == nil {
		return topology.Security{}
	}
	return topology.Security{
		User: s.User, Group: s.Group, Root: s.AllowRoot, WritableRoot: s.WritableRoot, Escalation: s.Escalation,
		Privileged: s.Privileged, Capabilities: s.Capabilities, Unconfined: s.Seccomp == "unconfined",
	}
}

func (p *Probe) topology() *topology.Probe {
	if p == nil {
		return nil
	}
	t := &topology.Probe{
		HTTP: p.HTTP.topology(), Exec: p.Exec,
		PeriodSeconds:    seconds(p.Period, defaultPeriodSeconds),
		TimeoutSeconds:   seconds(p.Timeout, defaultTimeoutSeconds),
		FailureThreshold: orElse(p.FailureThreshold, defaultFailureThreshold),
		DelaySeconds:     p.InitialDelay.Seconds(),
	}
	if p.TCP != nil {
		t.TCP = &topology.TCPAction{Port: p.TCP.Port}
	}
	return t
}

func (h *HTTP) topology() *topology.HTTPAction {
	if h == nil {
		return nil
	}
	return &topology.HTTPAction{Port: h.Port, Path: orElse(h.Path, "/"), Scheme: strings.ToLower(h.Scheme)}
}

func (h *Hook) topology() *topology.Hook {
	if h == nil {
		return nil
	}
	return &topology.Hook{Exec: h.Exec, HTTP: h.HTTP.topology()}
}

// seconds of a duration that may not be given.
func seconds(d *Duration, otherwise int) int {
	if d == nil {
		return otherwise
	}
	return d.Seconds()
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
