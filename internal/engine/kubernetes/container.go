package kubernetes

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// container translates one container of a group.
func container(t *topology.Topology, g *topology.Group, c *topology.Container) corev1.Container {
	out := corev1.Container{
		Name:            c.Name,
		Image:           c.Image,
		ImagePullPolicy: pullPolicy(c.PullPolicy),
		Command:         literals(c.Command),
		Args:            literals(c.Args),
		WorkingDir:      c.WorkDir,
		Env:             env(t, g, c),
		Ports:           containerPorts(c.Ports),
		VolumeMounts:    mounts(c.Mounts),
		Resources:       corev1.ResourceRequirements{Requests: amounts(c.Resources.Requests), Limits: amounts(c.Resources.Limits)},
		StartupProbe:    probe(c.Probes.Startup),
		ReadinessProbe:  probe(c.Probes.Readiness),
		LivenessProbe:   probe(c.Probes.Liveness),
		Lifecycle:       lifecycle(c.Hooks),
		SecurityContext: confinement(&c.Security),
	}
	if c.Role == topology.Companion {
		out.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	}
	if c.Role == topology.Main {
		out.Lifecycle = drain(out.Lifecycle, g.Termination.DrainSeconds)
	}
	return out
}

func pullPolicy(p topology.PullPolicy) corev1.PullPolicy {
	return map[topology.PullPolicy]corev1.PullPolicy{
		topology.PullAlways:       corev1.PullAlways,
		topology.PullIfNotPresent: corev1.PullIfNotPresent,
		topology.PullNever:        corev1.PullNever,
	}[p]
}

// literal keeps Kubernetes from expanding $(VAR), which no other engine does.
func literal(s string) string {
	if strings.Contains(s, "$(") || strings.Contains(s, "$$") {
		return strings.ReplaceAll(s, "$", "$$")
	}
	return s
}

func literals(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, literal(s))
	}
	return out
}

func containerPorts(ports []topology.Port) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, p := range ports {
		out = append(out, corev1.ContainerPort{Name: p.Name, ContainerPort: int32(p.Number), Protocol: protocol(p.Protocol)})
	}
	return out
}

func protocol(p string) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return corev1.Protocol(strings.ToUpper(p))
}

func mounts(all []topology.Mount) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	for _, m := range all {
		out = append(out, corev1.VolumeMount{Name: m.Volume, MountPath: m.Path, SubPath: m.SubPath, ReadOnly: m.ReadOnly})
	}
	return out
}

func amounts(a topology.Amounts) corev1.ResourceList {
	list := corev1.ResourceList{}
	if a.MilliCPU > 0 {
		list[corev1.ResourceCPU] = *resource.NewMilliQuantity(a.MilliCPU, resource.DecimalSI)
	}
	if a.MemoryBytes > 0 {
		list[corev1.ResourceMemory] = *byteQuantity(a.MemoryBytes)
	}
	if a.StorageBytes > 0 {
		list[corev1.ResourceEphemeralStorage] = *byteQuantity(a.StorageBytes)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func byteQuantity(n int64) *resource.Quantity { return resource.NewQuantity(n, resource.BinarySI) }

func probe(p *topology.Probe) *corev1.Probe {
	if p == nil {
		return nil
	}
	out := &corev1.Probe{
		PeriodSeconds:       int32(p.PeriodSeconds),
		TimeoutSeconds:      int32(p.TimeoutSeconds),
		FailureThreshold:    int32(p.FailureThreshold),
		InitialDelaySeconds: int32(p.DelaySeconds),
	}
	switch {
	case p.HTTP != nil:
		out.HTTPGet = httpGet(p.HTTP)
	case p.TCP != nil:
		out.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromString(p.TCP.Port)}
	default:
		out.Exec = &corev1.ExecAction{Command: literals(p.Exec)}
	}
	return out
}

func httpGet(a *topology.HTTPAction) *corev1.HTTPGetAction {
	return &corev1.HTTPGetAction{
		Port: intstr.FromString(a.Port), Path: a.Path, Scheme: corev1.URIScheme(strings.ToUpper(a.Scheme)),
	}
}

func lifecycle(h topology.Hooks) *corev1.Lifecycle {
	if h.PostStart == nil && h.PreStop == nil {
		return nil
	}
	return &corev1.Lifecycle{PostStart: hook(h.PostStart), PreStop: hook(h.PreStop)}
}

// hook translates a lifecycle hook. Its command is not subject to expansion, unlike every other one.
func hook(h *topology.Hook) *corev1.LifecycleHandler {
	if h == nil {
		return nil
	}
	if h.HTTP != nil {
		return &corev1.LifecycleHandler{HTTPGet: httpGet(h.HTTP)}
	}
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: h.Exec}}
}

// drain holds the request to end back while services stop sending clients. The companions need no such pause: they are
// asked to end after the main containers have.
func drain(l *corev1.Lifecycle, seconds int) *corev1.Lifecycle {
	if seconds <= 0 || l != nil && l.PreStop != nil {
		return l
	}
	if l == nil {
		l = &corev1.Lifecycle{}
	}
	l.PreStop = &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: int64(seconds)}}
	return l
}

// confinement is the safest that there is, loosened where the topology says so.
func confinement(s *topology.Security) *corev1.SecurityContext {
	out := &corev1.SecurityContext{
		RunAsUser:                s.User,
		RunAsGroup:               s.Group,
		RunAsNonRoot:             new(!s.Root),
		ReadOnlyRootFilesystem:   new(!s.WritableRoot),
		AllowPrivilegeEscalation: new(s.Escalation || s.Privileged),
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if s.Unconfined || s.Privileged {
		out.SeccompProfile.Type = corev1.SeccompProfileTypeUnconfined
	}
	if s.Privileged {
		out.Privileged = new(true)
		return out
	}
	out.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	for _, c := range s.Capabilities {
		out.Capabilities.Add = append(out.Capabilities.Add, corev1.Capability(c))
	}
	return out
}
