package kubernetes

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// defaultFSGroup owns the volumes of a Pod, so that containers of different users share them. It is the group of
// "nonroot" in the usual minimal base images.
const defaultFSGroup = 65532

// podTemplate of a group. It carries a digest of itself as a label.
func podTemplate(t *topology.Topology, g *topology.Group) (corev1.PodTemplateSpec, error) {
	x, err := extras(g)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	affinity, err := x.affinity()
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	spec := corev1.PodSpec{
		Volumes:                       volumes(t, g),
		NodeSelector:                  x.NodeSelector,
		Tolerations:                   x.tolerations(),
		Affinity:                      affinity,
		HostAliases:                   x.hostAliases(),
		PriorityClassName:             priorityClass(g, &x),
		ServiceAccountName:            serviceAccount(t, g, &x),
		AutomountServiceAccountToken:  new(len(g.Grants) > 0 || x.ServiceAccount != ""),
		EnableServiceLinks:            new(false),
		SchedulerName:                 x.Scheduler,
		DNSPolicy:                     corev1.DNSPolicy(x.DNSPolicy),
		TerminationGracePeriodSeconds: new(int64(g.Termination.DrainSeconds + g.Termination.GraceSeconds)),
		SecurityContext:               podSecurity(&x),
		TopologySpreadConstraints:     spread(t, g),
	}
	if x.RuntimeClass != "" {
		spec.RuntimeClassName = new(x.RuntimeClass)
	}
	if g.Identity == topology.ToCompletion {
		spec.RestartPolicy = corev1.RestartPolicyNever
	}
	for _, name := range t.PullSecrets {
		spec.ImagePullSecrets = append(spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	// Init containers run to their end before any companion starts.
	for _, role := range []topology.Role{topology.Init, topology.Companion, topology.Main} {
		for i := range g.Containers {
			c := &g.Containers[i]
			switch {
			case c.Role != role:
			case role == topology.Main:
				spec.Containers = append(spec.Containers, container(t, g, c))
			default:
				spec.InitContainers = append(spec.InitContainers, container(t, g, c))
			}
		}
	}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels(t, g.Name), Annotations: podAnnotations(t, g, &x)},
		Spec:       spec,
	}
	own := maps.Clone(template.Labels)
	maps.Copy(template.Labels, x.PodLabels)
	maps.Copy(template.Labels, own)
	template.Labels[labelRevision] = digest(template)
	return template, nil
}

func podAnnotations(t *topology.Topology, g *topology.Group, x *Extras) map[string]string {
	all := map[string]string{}
	maps.Copy(all, t.Annotations)
	maps.Copy(all, x.PodAnnotations)
	if _, given := all["kubectl.kubernetes.io/default-container"]; !given {
		for _, c := range g.Containers {
			if c.Role == topology.Main {
				all["kubectl.kubernetes.io/default-container"] = c.Name
				break
			}
		}
	}
	for _, s := range t.Secrets {
		if s.Version != "" && reads(g, s.Name) {
			all[annotationSecret+s.Name] = s.Version
		}
	}
	return all
}

// reads tells whether a group has one of the instance's own secrets in a variable or a volume.
func reads(g *topology.Group, secret string) bool {
	for _, v := range g.Volumes {
		if v.Secret != nil && v.Secret.Own && v.Secret.Name == secret {
			return true
		}
	}
	for _, c := range g.Containers {
		for _, e := range c.Env {
			if e.Secret != nil && e.Secret.Own && e.Secret.Name == secret {
				return true
			}
		}
	}
	return false
}

func podSecurity(x *Extras) *corev1.PodSecurityContext {
	out := &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	group := int64(defaultFSGroup)
	if x.FSGroup != nil {
		group = *x.FSGroup
	}
	if group >= 0 {
		out.FSGroup = new(group)
		// A volume that has the right owner already is not walked through again at every start.
		out.FSGroupChangePolicy = new(corev1.FSGroupChangeOnRootMismatch)
	}
	return out
}

func spread(t *topology.Topology, g *topology.Group) []corev1.TopologySpreadConstraint {
	var out []corev1.TopologySpreadConstraint
	for _, s := range g.Spread {
		c := corev1.TopologySpreadConstraint{
			MaxSkew:           1,
			TopologyKey:       s.Over,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: selector(t, g.Name)},
			// Each revision is spread by itself, or the old replicas would push the new ones together.
			MatchLabelKeys: []string{labelRevision},
		}
		switch s.Over {
		case "node":
			c.TopologyKey = corev1.LabelHostname
		case "zone":
			c.TopologyKey = corev1.LabelTopologyZone
		}
		if s.Required {
			c.WhenUnsatisfiable = corev1.DoNotSchedule
		}
		out = append(out, c)
	}
	return out
}
