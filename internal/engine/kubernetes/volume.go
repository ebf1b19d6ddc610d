package kubernetes

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// secretMode lets the owner and the volumes' group read a secret, and nobody else.
const secretMode = 0o440

// volumes of a Pod. Those of a stable group's claim templates are not among them; the StatefulSet adds them itself.
func volumes(t *topology.Topology, g *topology.Group) []corev1.Volume {
	var out []corev1.Volume
	for i := range g.Volumes {
		v := &g.Volumes[i]
		switch {
		case v.Ephemeral != nil:
			out = append(out, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{EmptyDir: emptyDir(v.Ephemeral)}})
		case v.Config != "":
			out = append(out, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: configName(t, v.Config)},
			}}})
		case v.Secret != nil:
			out = append(out, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
				SecretName: secretName(t, v.Secret.Name, v.Secret.Own), DefaultMode: new(int32(secretMode)),
			}}})
		case v.Persistent.Existing != "":
			out = append(out, claimed(v.Name, v.Persistent.Existing))
		case g.Identity != topology.Stable:
			out = append(out, claimed(v.Name, claimName(t.Name, g.Name, v.Name)))
		}
	}
	return out
}

func claimed(volume, claim string) corev1.Volume {
	return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}
}

func emptyDir(e *topology.EphemeralVolume) *corev1.EmptyDirVolumeSource {
	out := &corev1.EmptyDirVolumeSource{}
	if e.Memory {
		out.Medium = corev1.StorageMediumMemory
	}
	if e.SizeBytes > 0 {
		out.SizeLimit = byteQuantity(e.SizeBytes)
	}
	return out
}

// ownClaims of a group: one for all replicas, or in a stable group the templates of one for each.
func ownClaims(t *topology.Topology, g *topology.Group) []corev1.PersistentVolumeClaim {
	var out []corev1.PersistentVolumeClaim
	for _, v := range g.Volumes {
		if v.Persistent == nil || v.Persistent.Existing != "" {
			continue
		}
		c := corev1.PersistentVolumeClaim{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
			ObjectMeta: meta(t, g.Name, claimName(t.Name, g.Name, v.Name)),
			Spec:       claimSpec(v.Persistent),
		}
		if g.Identity == topology.Stable {
			c.Name = v.Name
			// A claim template cannot change, so only what does not change goes into it.
			c.Labels = selector(t, g.Name)
			c.Annotations, c.Namespace = nil, ""
		} else if c.Labels[labelData] = "keep"; v.Persistent.DeleteWithInstance {
			c.Labels[labelData] = "delete"
		}
		out = append(out, c)
	}
	return out
}

// passingClaims are the claim templates whose data goes with the instance, as the claims' names begin.
func passingClaims(t *topology.Topology) []string {
	var out []string
	for i := range t.Groups {
		g := &t.Groups[i]
		for _, v := range g.Volumes {
			if p := v.Persistent; g.Identity == topology.Stable && p != nil && p.Existing == "" && p.DeleteWithInstance {
				out = append(out, v.Name+"-"+ObjectName(t.Name, g.Name))
			}
		}
	}
	return out
}

func claimSpec(p *topology.PersistentVolume) corev1.PersistentVolumeClaimSpec {
	spec := corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: *byteQuantity(p.SizeBytes)}},
	}
	if p.Shared {
		spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	}
	if p.Class != "" {
		spec.StorageClassName = new(p.Class)
	}
	return spec
}

// heldByOne tells whether a group has a volume that only one machine at a time can mount, and all replicas share.
func heldByOne(g *topology.Group) bool {
	for _, v := range g.Volumes {
		if v.Persistent != nil && !v.Persistent.Shared && (g.Identity != topology.Stable || v.Persistent.Existing != "") {
			return true
		}
	}
	return false
}
