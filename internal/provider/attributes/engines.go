package attributes

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Kubernetes is what only Kubernetes has.
func Kubernetes() nestedObject {
	return object("What only Kubernetes has; ignored on other engines.", Map{
		"node_selector": strMap("Labels that a node must have."),
		"tolerations": list("Taints that the Pods tolerate.", Map{
			"key":                str("Key of the taint. Default: every taint, with the operator `Exists`."),
			"operator":           str("`Equal` (default) or `Exists`."),
			"value":              str("Value of the taint."),
			"effect":             str("`NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: each."),
			"toleration_seconds": number("How long `NoExecute` is tolerated."),
		}),
		"affinity":        str("A Kubernetes Affinity object as JSON (`jsonencode`), for placement beyond `node_selector` and `spread`."),
		"runtime_class":   str("RuntimeClass of the Pods."),
		"priority_class":  str("PriorityClass of the Pods, instead of `priority`."),
		"service_account": str("A ServiceAccount that exists, which the Pods run as, with its token mounted."),
		"pod_annotations": strMap("Annotations of the Pods alone."),
		"pod_labels":      strMap("Labels of the Pods alone."),
		"host_aliases": list("Further lines of the Pods' `/etc/hosts`.", Map{
			"ip":        required(str("IP address.")),
			"hostnames": schema.ListAttribute{Required: true, ElementType: types.StringType, MarkdownDescription: "Names of the address."},
		}),
		"fs_group":        number("Group ID that owns the volumes. Default: 65532; `-1` leaves the choice to the cluster, as OpenShift wants it."),
		"dns_policy":      str("`ClusterFirst` (default) or `Default`."),
		"scheduler":       str("Scheduler that places the Pods."),
		"max_unavailable": str("How many replicas an eviction may take away at once, as a number or a percentage; makes a PodDisruptionBudget."),
	})
}

// Nomad is what only Nomad has.
func Nomad() nestedObject {
	rule := func() Map {
		return Map{
			"attribute": str("What is compared, such as `${attr.cpu.arch}`."),
			"operator":  str("Default: `=`."),
			"value":     str("With what it is compared."),
		}
	}
	return object("What only Nomad has; ignored on other engines. Names are those of Nomad's job specification.", Map{
		"datacenters": strs("Datacenters to run in. Default: all."),
		"node_pool":   str("Node pool to run in. Default: `default`."),
		"priority":    number("Job priority, 1 to 100, instead of the instance's `priority`."),
		"constraints": list("What a node must fulfil.", rule()),
		"affinities":  list("What draws to a node.", Merged(rule(), Map{"weight": number("-100 to 100; negative draws away.")})),
		"meta":        strMap("Meta of the group."),
		"driver":      str("Task driver: `docker` (default), which is the only one for images."),
	})
}
