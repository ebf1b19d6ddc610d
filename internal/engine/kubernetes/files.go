package kubernetes

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// configName of the ConfigMap that holds a config: with a digest of its content, unless its readers watch it.
func configName(t *topology.Topology, name string) string {
	for _, c := range t.Configs {
		if c.Name == name && !c.Reload {
			return ObjectName(t.Name, name) + "-" + digest(c.Files)
		}
	}
	return ObjectName(t.Name, name)
}

func configMap(t *topology.Topology, c *topology.Config) *corev1.ConfigMap {
	out := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta(t, "", configName(t, c.Name)),
		Data:       c.Files,
	}
	if !c.Reload {
		out.Immutable = new(true)
	}
	return out
}

// secret shows which keys there will be; the values are added only while it is applied.
func secret(t *topology.Topology, s *topology.Secret) *corev1.Secret {
	out := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta(t, "", ObjectName(t.Name, s.Name)),
		Type:       corev1.SecretTypeOpaque,
	}
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	if keys := secretKeys(s); len(keys) > 0 {
		out.Annotations[annotationKeys] = strings.Join(keys, ",")
	}
	if s.Version != "" {
		out.Annotations[annotationVersion] = s.Version
	}
	return out
}

// secretKeys are all that a secret is known to hold without its values, sorted.
func secretKeys(s *topology.Secret) []string {
	keys := slices.Clone(s.Keys)
	for k := range s.Generate {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
