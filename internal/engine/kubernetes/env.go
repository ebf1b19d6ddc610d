package kubernetes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// What other variables are made of. A Pod's name alone comes back in stable and indexed groups.
const (
	envPodName = "PATTERN_POD_NAME"
	envPodUID  = "PATTERN_POD_UID"
	envPodIP   = "PATTERN_POD_IP"
)

func env(t *topology.Topology, g *topology.Group, c *topology.Container) []corev1.EnvVar {
	var out []corev1.EnvVar
	has := func(f topology.Field) bool {
		return slices.ContainsFunc(c.Env, func(e topology.Env) bool { return e.Field == f })
	}
	if has(topology.FieldReplica) {
		out = append(out, fromField(envPodName, "metadata.name"), fromField(envPodUID, "metadata.uid"))
	}
	if has(topology.FieldReached) {
		out = append(out, fromField(envPodIP, "status.podIP"))
	}
	for _, e := range c.Env {
		switch {
		case e.Secret != nil:
			out = append(out, corev1.EnvVar{Name: e.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: secretName(t, e.Secret.Name, e.Secret.Own)}, Key: e.Secret.Key,
			}}})
		case e.Field == topology.FieldReplica:
			out = append(out, corev1.EnvVar{Name: e.Name, Value: "$(" + envPodName + ").$(" + envPodUID + ")"})
		case e.Field == topology.FieldReached:
			out = append(out, corev1.EnvVar{Name: e.Name, Value: fmt.Sprintf("[$(%s)]:%d", envPodIP, portNumber(g, e.Port))})
		case e.Field != "":
			out = append(out, fromField(e.Name, fieldPath(e.Field, g.Identity)))
		default:
			out = append(out, corev1.EnvVar{Name: e.Name, Value: literal(e.Value)})
		}
	}
	return out
}

func fromField(name, path string) corev1.EnvVar {
	// The version is written out because the cluster would add it, and its key counts in server-side apply.
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
}

func fieldPath(f topology.Field, id topology.Identity) string {
	switch f {
	case topology.FieldIndex:
		if id == topology.ToCompletion {
			return "metadata.annotations['batch.kubernetes.io/job-completion-index']"
		}
		return "metadata.labels['apps.kubernetes.io/pod-index']"
	case topology.FieldName:
		return "metadata.name"
	case topology.FieldAddress:
		return "status.podIP"
	case topology.FieldNode:
		return "spec.nodeName"
	default:
		return "metadata.namespace"
	}
}

// secretName of one of the instance's own secrets, or of one that exists.
func secretName(t *topology.Topology, name string, own bool) string {
	if own {
		return ObjectName(t.Name, name)
	}
	return name
}
