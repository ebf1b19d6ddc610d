package workload

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
)

// Lengths, in bytes. The engines append to a name: a Pod's is <instance>-<group>-<hash>-<hash> and a label value ends at
// 63; a Nomad task's API socket must fit into 107 bytes of path.
const (
	maxInstanceName  = 40
	maxContainerName = 30
	maxVolumeName    = 30
	maxPortName      = 15 // IANA service names (RFC 6335, 5.1), which Kubernetes asks for
)

var (
	dnsLabel   = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	namespace  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`) // Nomad's rule, the wider one
	envName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	fileName   = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)
	capability = regexp.MustCompile(`^[A-Z][A-Z_]+$`)
	signal     = regexp.MustCompile(`^SIG[A-Z0-9]+$`)
)

// Name checks a DNS label of at most max bytes.
func Name(l *fault.List, at, value string, max int) {
	switch {
	case value == "":
		l.Add(at, "must not be empty")
	case len(value) > max:
		l.Add(at, "%q has %d bytes, at most %d are allowed, because the engines append to it", value, len(value), max)
	case !dnsLabel.MatchString(value):
		l.Add(at, "%q must be lower-case letters, digits and dashes, beginning with a letter and not ending with a dash", value)
	}
}

// ContainerName checks the name of a companion or of an init container, which must not be main's.
func ContainerName(l *fault.List, at, value string) {
	Name(l, at, value, maxContainerName)
	if value == MainName {
		l.Add(at, "%q is the name of the main container: choose another", value)
	}
}

// Validate the attributes of the instance.
func (i *Instance) Validate(l *fault.List) {
	Name(l, "name", i.Name, maxInstanceName)
	if i.Namespace != "" && !namespace.MatchString(i.Namespace) {
		l.Add("namespace", "%q must be 1 to 128 letters, digits, dashes and underscores; Kubernetes allows at most 63, none of them an underscore or a capital", i.Namespace)
	}
}

// Scope is what the containers of a group can refer to and must share.
type Scope struct {
	Volumes map[string]Volume
	Secrets map[string]SecretSet
	ports   map[string]string // "8080/tcp" or a name -> the path of who has it
}

// Scope of the workload, to validate its containers and companions in.
func (w *Workload) Scope() *Scope {
	return &Scope{Volumes: w.Volumes, Secrets: w.Secrets, ports: map[string]string{}}
}

// Validate everything but the companions, which the pattern validates in the same scope.
func (w *Workload) Validate(l *fault.List, scope *Scope) {
	w.Main.Validate(l, "main", scope)
	names := map[string]bool{}
	for i, c := range w.Init {
		at := fault.At("init", i)
		ContainerName(l, at+".name", c.Name)
		if names[c.Name] {
			l.Add(at+".name", "%q is the name of an earlier init container", c.Name)
		}
		names[c.Name] = true
		c.Container.Validate(l, at, scope)
		if c.Probes != nil {
			l.Add(at+".probes", "an init container runs to its end and cannot be probed: remove it")
		}
	}
	if w.Replicas != nil && *w.Replicas < 0 {
		l.Add("replicas", "must be at least 0, got %d", *w.Replicas)
	}
	OneOf(l, "identity", w.Identity, "", "interchangeable", "stable")
	OneOf(l, "priority", w.Priority, "", "default", "low", "high")
	for _, k := range sorted(w.Volumes) {
		w.validateVolume(l, k)
	}
	for _, k := range sorted(w.Secrets) {
		w.validateSecret(l, k)
	}
	w.validateExpose(l)
	for i, s := range w.Spread {
		if s.Over == "" {
			l.Add(fault.At("spread", i)+".over", `must not be empty: "node", "zone", or the engine's own topology key`)
		}
	}
}

// Validate one container.
func (c *Container) Validate(l *fault.List, at string, scope *Scope) {
	ImageName(l, at+".image", c.Image)
	OneOf(l, at+".pull_policy", c.PullPolicy, "", "always", "if_not_present", "never")
	c.validateEnv(l, at, scope)
	c.validatePorts(l, at, scope)
	c.validateMounts(l, at, scope)
	c.Resources.Validate(l, at+".resources")
	c.validateProbes(l, at)
	c.validateHooks(l, at)
	c.Security.validate(l, at+".security")
	if c.WorkingDir != "" && !path.IsAbs(c.WorkingDir) {
		l.Add(at+".working_dir", "%q must be an absolute path", c.WorkingDir)
	}
	if c.StopSignal != "" && !signal.MatchString(c.StopSignal) {
		l.Add(at+".stop_signal", `%q is not a signal: write "SIGTERM" or "SIGQUIT"`, c.StopSignal)
	}
}

// ImageName checks the reference of an image.
func ImageName(l *fault.List, at, image string) {
	if image == "" {
		l.Add(at, "must not be empty")
		return
	}
	if _, err := name.ParseReference(image); err != nil {
		l.Add(at, "%q is not an image reference: write REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST", image)
	}
}

func (c *Container) validateEnv(l *fault.List, at string, scope *Scope) {
	for _, k := range sorted(c.Env) {
		if !envName.MatchString(k) {
			l.Add(fault.Key(at+".env", k), "%q is not the name of an environment variable", k)
		}
	}
	for _, k := range sorted(c.SecretEnv) {
		at := fault.Key(at+".secret_env", k)
		if !envName.MatchString(k) {
			l.Add(at, "%q is not the name of an environment variable", k)
		}
		if _, both := c.Env[k]; both {
			l.Add(at, "is also in env: remove one of them")
		}
		ref := c.SecretEnv[k]
		if ref.Secret == "" {
			l.Add(at+".secret", "must not be empty")
		}
		own, mine := scope.Secrets[ref.Secret]
		switch {
		case ref.Key == "":
			l.Add(at+".key", "must not be empty")
		case mine && !own.mayHave(ref.Key):
			l.AddNeeding([]string{"secrets"}, at+".key", "the secret %q has no key %q%s", ref.Secret, ref.Key, known(own.Generate))
		}
	}
}

func (c *Container) validatePorts(l *fault.List, at string, scope *Scope) {
	for _, k := range sorted(c.Ports) {
		p, at := c.Ports[k], fault.Key(at+".ports", k)
		Name(l, at, k, maxPortName)
		scope.ClaimPort(l, at, k, p.Port, p.Protocol)
		OneOf(l, at+".protocol", p.Protocol, "", "tcp", "udp")
	}
}

// ClaimPort reserves a port's name and number for the container at a path: all containers of a group share localhost.
func (s *Scope) ClaimPort(l *fault.List, at, name string, number int, protocol string) {
	if number < 1 || number > 65535 {
		l.Add(at+".port", "must be 1 to 65535, got %d", number)
		return
	}
	if protocol == "" {
		protocol = "tcp"
	}
	for key, at := range map[string]string{name: at, fmt.Sprintf("%d/%s", number, protocol): at + ".port"} {
		if other, taken := s.ports[key]; taken {
			l.AddNeeding([]string{other}, at, "%s is taken by %s: the containers of a group share localhost, so each needs ports of its own", key, other)
			continue
		}
		s.ports[key] = at
	}
}

func (c *Container) validateMounts(l *fault.List, at string, scope *Scope) {
	paths := map[string]string{}
	for _, k := range sorted(c.Mounts) {
		m, at := c.Mounts[k], fault.Key(at+".mounts", k)
		if _, ok := scope.Volumes[k]; !ok {
			l.AddNeeding([]string{"volumes"}, at, "there is no volume %q: declare it in volumes%s", k, known(scope.Volumes))
		}
		switch {
		case !path.IsAbs(m.Path) || path.Clean(m.Path) == "/":
			l.Add(at+".path", "%q must be an absolute path below /", m.Path)
		case paths[path.Clean(m.Path)] != "":
			l.Add(at+".path", "%q is also where volume %q is mounted", m.Path, paths[path.Clean(m.Path)])
		}
		paths[path.Clean(m.Path)] = k
		if path.IsAbs(m.SubPath) || slices.Contains(strings.Split(m.SubPath, "/"), "..") {
			l.Add(at+".sub_path", "%q must be relative and without ..", m.SubPath)
		}
	}
}

// Validate the resources of a container at a path.
func (r *Resources) Validate(l *fault.List, at string) {
	if r == nil {
		return
	}
	var req, limits Amounts
	if r.Requests != nil {
		req = *r.Requests
	}
	if r.Limits != nil {
		limits = *r.Limits
	}
	for _, c := range []struct {
		name           string
		request, limit int64
	}{
		{"cpu", int64(req.CPU), int64(limits.CPU)},
		{"memory", int64(req.Memory), int64(limits.Memory)},
		{"storage", int64(req.Storage), int64(limits.Storage)},
	} {
		if c.limit > 0 && c.request > c.limit {
			l.AddNeeding([]string{at + ".requests." + c.name}, at+".limits."+c.name, "is below the request in %s.requests.%s: no machine can give that", at, c.name)
		}
	}
	const least = 4 << 20 // below, the container runtime itself does not start
	for name, m := range map[string]Size{"limits": limits.Memory, "requests": req.Memory} {
		if m > 0 && m < least {
			l.Add(at+"."+name+".memory", "%d bytes are too few for any container to start: give at least 4Mi", m)
		}
	}
}

func (s *Security) validate(l *fault.List, at string) {
	if s == nil {
		return
	}
	if s.User != nil && *s.User == 0 && !s.AllowRoot {
		l.Add(at+".user", "is root: set allow_root = true as well, or choose another user")
	}
	for i, c := range s.Capabilities {
		if !capability.MatchString(c) || strings.HasPrefix(c, "CAP_") {
			l.Add(fault.At(at+".capabilities", i), `%q is not a capability: write "NET_BIND_SERVICE"`, c)
		}
	}
	OneOf(l, at+".seccomp", s.Seccomp, "", "runtime_default", "unconfined")
}

// OneOf the allowed values, of which "" is not shown, is what an attribute must be.
func OneOf(l *fault.List, at, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	var show []string
	for _, a := range allowed {
		if a != "" {
			show = append(show, fmt.Sprintf("%q", a))
		}
	}
	l.Add(at, "%q is none of %s", value, strings.Join(show, ", "))
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// known lists what there is, for an error about what there is not.
func known[V any](m map[string]V) string {
	if len(m) == 0 {
		return " (there are none)"
	}
	return " (there are: " + strings.Join(sorted(m), ", ") + ")"
}
