package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Extras are what a group may ask of Kubernetes alone. The JSON names are the attributes of `kubernetes = {...}` in HCL.
type Extras struct {
	// NodeSelector: labels that a node must have for the Pods to be placed on it.
	NodeSelector map[string]string `json:"node_selector,omitempty"`
	// Tolerations: taints of nodes that the Pods put up with.
	Tolerations []Toleration `json:"tolerations,omitempty"`
	// Affinity: a Kubernetes Affinity object as JSON, for placement rules beyond node_selector and spread; use jsonencode().
	Affinity string `json:"affinity,omitempty"`
	// RuntimeClass: the name of the RuntimeClass that runs the containers, such as gvisor.
	RuntimeClass string `json:"runtime_class,omitempty"`
	// PriorityClass: the name of the PriorityClass of the Pods; it overrides `priority`.
	PriorityClass string `json:"priority_class,omitempty"`
	// ServiceAccount: the name of an existing ServiceAccount that the Pods run as, with its token mounted.
	ServiceAccount string `json:"service_account,omitempty"`
	// PodAnnotations: annotations of the Pods alone.
	PodAnnotations map[string]string `json:"pod_annotations,omitempty"`
	// PodLabels: labels of the Pods alone.
	PodLabels map[string]string `json:"pod_labels,omitempty"`
	// HostAliases: further lines of the Pods' /etc/hosts.
	HostAliases []HostAlias `json:"host_aliases,omitempty"`
	// FSGroup: the group ID that owns the volumes, 65532 unless set; -1 leaves the choice to the cluster, as OpenShift wants it.
	FSGroup *int64 `json:"fs_group,omitempty"`
	// DNSPolicy: ClusterFirst (the default) or Default, which is the node's own.
	DNSPolicy string `json:"dns_policy,omitempty"`
	// Scheduler: the name of the scheduler that places the Pods.
	Scheduler string `json:"scheduler,omitempty"`
	// MaxUnavailable: how many replicas an eviction, such as the drain of a node, may take away at once, as a number or a
	// percentage. It makes a PodDisruptionBudget.
	MaxUnavailable string `json:"max_unavailable,omitempty"`
}

// Toleration of a taint.
type Toleration struct {
	// Key of the taint; empty with the operator Exists means every taint.
	Key string `json:"key,omitempty"`
	// Operator: Equal (the default) or Exists.
	Operator string `json:"operator,omitempty"`
	// Value of the taint, for Equal.
	Value string `json:"value,omitempty"`
	// Effect: NoSchedule, PreferNoSchedule, NoExecute; empty means each.
	Effect string `json:"effect,omitempty"`
	// TolerationSeconds: how long NoExecute is put up with.
	TolerationSeconds *int64 `json:"toleration_seconds,omitempty"`
}

// HostAlias is a line of /etc/hosts.
type HostAlias struct {
	// IP address that the names stand for.
	IP string `json:"ip"`
	// Hostnames of the address.
	Hostnames []string `json:"hostnames"`
}

// extras of a group; the error names the attribute.
func extras(g *topology.Group) (Extras, error) {
	var e Extras
	raw := g.Extras["kubernetes"]
	if len(bytes.TrimSpace(raw)) == 0 {
		return e, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, fmt.Errorf("kubernetes: %w", err)
	}
	return e, nil
}

func (e *Extras) affinity() (*corev1.Affinity, error) {
	if e.Affinity == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(e.Affinity))
	d.DisallowUnknownFields()
	var a corev1.Affinity
	if err := d.Decode(&a); err != nil {
		return nil, fmt.Errorf("kubernetes.affinity: %w", err)
	}
	return &a, nil
}

func (e *Extras) tolerations() []corev1.Toleration {
	var all []corev1.Toleration
	for _, t := range e.Tolerations {
		all = append(all, corev1.Toleration{
			Key: t.Key, Operator: corev1.TolerationOperator(t.Operator), Value: t.Value,
			Effect: corev1.TaintEffect(t.Effect), TolerationSeconds: t.TolerationSeconds,
		})
	}
	return all
}

func (e *Extras) hostAliases() []corev1.HostAlias {
	var all []corev1.HostAlias
	for _, a := range e.HostAliases {
		all = append(all, corev1.HostAlias{IP: a.IP, Hostnames: a.Hostnames})
	}
	return all
}
