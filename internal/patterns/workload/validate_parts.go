package workload

import (
	"path"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func (c *Container) validateProbes(l *fault.List, at string) {
	if c.Probes == nil {
		return
	}
	for _, p := range []struct {
		name  string
		probe *Probe
	}{{"startup", c.Probes.Startup}, {"readiness", c.Probes.Readiness}, {"liveness", c.Probes.Liveness}} {
		if p.probe == nil {
			continue
		}
		ports, at := at+".ports", at+".probes."+p.name
		exactlyOne(l, at, map[string]bool{"http": p.probe.HTTP != nil, "tcp": p.probe.TCP != nil, "exec": p.probe.Exec != nil})
		c.validateHTTP(l, ports, at+".http", p.probe.HTTP)
		if t := p.probe.TCP; t != nil {
			c.validatePortName(l, ports, at+".tcp.port", t.Port)
		}
		if p.probe.Exec != nil && len(p.probe.Exec) == 0 {
			l.Add(at+".exec", "must name a command")
		}
		if p.probe.FailureThreshold < 0 {
			l.Add(at+".failure_threshold", "must be at least 1, got %d", p.probe.FailureThreshold)
		}
		for _, d := range []struct {
			name string
			d    *Duration
		}{{"period", p.probe.Period}, {"timeout", p.probe.Timeout}} {
			if d.d != nil && time.Duration(*d.d) < time.Second {
				l.Add(at+"."+d.name, "must be at least 1s, got %s: the engines count whole seconds", *d.d)
			}
		}
		if asked := p.probe.topology(); asked.TimeoutSeconds > asked.PeriodSeconds {
			l.AddNeeding([]string{at + ".period"}, at+".timeout", "%ds is longer than the period of %ds: probes would overlap", asked.TimeoutSeconds, asked.PeriodSeconds)
		}
	}
}

func (c *Container) validateHooks(l *fault.List, at string) {
	if c.Lifecycle == nil {
		return
	}
	for _, h := range []struct {
		name string
		hook *Hook
	}{{"post_start", c.Lifecycle.PostStart}, {"pre_stop", c.Lifecycle.PreStop}} {
		if h.hook == nil {
			continue
		}
		ports, at := at+".ports", at+".lifecycle_hooks."+h.name
		exactlyOne(l, at, map[string]bool{"http": h.hook.HTTP != nil, "exec": h.hook.Exec != nil})
		c.validateHTTP(l, ports, at+".http", h.hook.HTTP)
		if h.hook.Exec != nil && len(h.hook.Exec) == 0 {
			l.Add(at+".exec", "must name a command")
		}
	}
}

// validateHTTP of a container whose ports were written at a path.
func (c *Container) validateHTTP(l *fault.List, ports, at string, h *HTTP) {
	if h == nil {
		return
	}
	c.validatePortName(l, ports, at+".port", h.Port)
	if h.Path != "" && !strings.HasPrefix(h.Path, "/") {
		l.Add(at+".path", "%q must begin with /", h.Path)
	}
	OneOf(l, at+".scheme", h.Scheme, "", "http", "https")
}

func (c *Container) validatePortName(l *fault.List, ports, at, port string) {
	if _, ok := c.Ports[port]; !ok {
		l.AddNeeding([]string{ports}, at, "the container has no port %q%s", port, known(c.Ports))
	}
}

func (w *Workload) validateVolume(l *fault.List, key string) {
	v, at := w.Volumes[key], fault.Key("volumes", key)
	Name(l, at, key, maxVolumeName)
	exactlyOne(l, at, map[string]bool{"ephemeral": v.Ephemeral != nil, "persistent": v.Persistent != nil, "config": v.Config != nil, "secret": v.Secret != nil})
	if e := v.Ephemeral; e != nil {
		OneOf(l, at+".ephemeral.medium", e.Medium, "", "disk", "memory")
	}
	if p := v.Persistent; p != nil {
		switch {
		case p.Existing == "" && p.Size <= 0:
			l.AddNeeding([]string{at + ".persistent.existing"}, at+".persistent.size", "must be given, unless existing names a volume that is there")
		case p.Existing != "" && (p.Size > 0 || p.Class != ""):
			l.Add(at+".persistent.existing", "a volume that exists has its own size and class: remove those")
		case p.Existing != "" && p.DeleteWithInstance:
			l.Add(at+".persistent.delete_with_instance", "a volume that the instance did not make is not deleted with it: remove it")
		}
		if w.Identity != "stable" && !p.Shared && w.Replicas != nil && *w.Replicas > 1 {
			l.AddNeeding([]string{"replicas", "identity"}, at+".persistent.shared", `%d interchangeable replicas mount one volume: set shared = true with a class that allows it, or identity = "stable" for a volume each`, *w.Replicas)
		}
	}
	if c := v.Config; c != nil {
		if len(c.Files) == 0 {
			l.Add(at+".config.files", "must name at least one file")
		}
		total := 0
		for _, f := range sorted(c.Files) {
			total += len(c.Files[f])
			if !fileName.MatchString(f) || f == "." || f == ".." {
				l.Add(fault.Key(at+".config.files", f), "%q must be a file's base name of letters, digits, dots, dashes and underscores", f)
			}
		}
		const most = 48 << 10 // a Nomad variable holds 64 KiB, encrypted and with its keys
		if total > most {
			l.Add(at+".config.files", "all files together have %d bytes, at most %d fit into an engine's object: put them into an image or a persistent volume", total, most)
		}
	}
	if s := v.Secret; s != nil && s.Secret == "" {
		l.Add(at+".secret.secret", "must not be empty")
	}
}

func (w *Workload) validateSecret(l *fault.List, key string) {
	s, at := w.Secrets[key], fault.Key("secrets", key)
	Name(l, at, key, maxVolumeName)
	if len(s.Values) > 0 && s.Version == "" {
		l.Add(at+".values_wo_version", "must be set beside values_wo: change it whenever the values change, since Terraform cannot see that they do")
	}
	if s.Version == "" && len(s.Generate) == 0 {
		l.AddNeeding([]string{at + ".values_wo"}, at, "needs values_wo with values_wo_version, or generate")
	}
	for _, k := range sorted(s.Generate) {
		at := fault.Key(at+".generate", k)
		if n := s.Generate[k]; n < 16 || n > 1024 {
			l.Add(at, "must be 16 to 1024 bytes of randomness, got %d", n)
		}
		if _, both := s.Values[k]; both {
			l.Add(at, "is also in values_wo: remove one of them")
		}
	}
}

// mayHave tells whether a secret can have a key: its values are only known where a configuration is read.
func (s *SecretSet) mayHave(key string) bool {
	if _, generated := s.Generate[key]; generated {
		return true
	}
	_, given := s.Values[key]
	return given || (s.Values == nil && s.Version != "")
}

func (w *Workload) validateExpose(l *fault.List) {
	for _, k := range sorted(w.Expose) {
		e, at := w.Expose[k], fault.Key("expose", k)
		Name(l, at, k, maxPortName)
		target := e.Target
		if target == "" {
			target = k
		}
		if _, ok := w.Main.Ports[target]; !ok {
			l.AddNeeding([]string{"main.ports"}, at+".target", "main has no port %q%s", target, known(w.Main.Ports))
		}
		ValidateReach(l, at, e.Reach, e.Port, e.NodePort)
	}
}

// ValidateReach of a port that is exposed at a path.
func ValidateReach(l *fault.List, at, reach string, port, nodePort int) {
	if port < 0 || port > 65535 {
		l.Add(at+".port", "must be 1 to 65535, got %d", port)
	}
	OneOf(l, at+".reach", reach, "", string(topology.ExposeCluster), string(topology.ExposeNode), string(topology.ExposeLoadBalancer))
	if nodePort != 0 && reach != string(topology.ExposeNode) {
		l.AddNeeding([]string{at + ".reach"}, at+".node_port", `only goes with reach = "node"`)
	}
	if nodePort < 0 || nodePort > 65535 {
		l.Add(at+".node_port", "must be 1 to 65535, got %d", nodePort)
	}
}

// VolumeAt is the volume that main has at a path, with the folder at which it is mounted; "" where there is none.
func (c *Container) VolumeAt(file string) (volume, folder string) {
	for _, k := range sorted(c.Mounts) {
		at := path.Clean(c.Mounts[k].Path)
		if strings.HasPrefix(path.Clean(file), at+"/") && len(at) > len(folder) {
			volume, folder = k, at
		}
	}
	return volume, folder
}

func exactlyOne(l *fault.List, at string, given map[string]bool) {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	if n != 1 {
		l.Add(at, "exactly one of %s must be set, got %d", strings.Join(sorted(given), ", "), n)
	}
}
