package attributes

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Instance are the attributes of every resource.
func Instance() Map {
	return Map{
		"name":        required(str("Name of the instance: lower-case letters, digits and dashes, at most 40. A change replaces the instance.")),
		"namespace":   str("Namespace of the engine. Default: the provider's. A change replaces the instance."),
		"labels":      strMap("Labels of every object of the instance (Kubernetes labels, Nomad meta), beside the provider's `default_labels`."),
		"annotations": strMap("Annotations of every object of the instance (on Nomad, meta), beside the provider's `default_annotations`."),
	}
}

// Workload are the attributes that every resource shares which runs developer containers.
func Workload() Map {
	main := object("The developer's main container.", container())
	main.Required, main.Optional = true, false
	return Map{
		"main":     main,
		"init":     list("Containers that run to their end, one after the other, before all others start.", Merged(Map{"name": required(str("Name, unique in the group."))}, without(container(), "probes", "lifecycle_hooks"))),
		"replicas": number("How many replicas run. Null leaves the number to an autoscaler; a new instance then starts with one."),
		"identity": str("`interchangeable` (default): replicas are alike. `stable`: each keeps its index, its address and its own persistent volumes. A change replaces the instance."),
		"volumes": objects("Storage that the containers of a group share, by name. Each is exactly one of `ephemeral`, `persistent`, `config` and `secret`.", Map{
			"ephemeral": object("Lives as long as its replica and survives the restarts of containers.", Map{
				"size":   str("Limit, as `64Mi`. Default: none.", size),
				"medium": str("`disk` (default) or `memory`."),
			}),
			"persistent": object("Outlives its replica. With `identity = \"stable\"` each replica has a volume of its own.", Map{
				"size":                 str("Size, as `10Gi`. It can grow where the engine and the class can do that, and never shrink.", size),
				"class":                str("Kubernetes StorageClass, or Nomad volume plugin. Default: the engine's own. It is settled when the volume is made."),
				"existing":             str("A volume that is there already (a PersistentVolumeClaim, a Nomad volume), instead of a new one."),
				"shared":               flag("Whether many machines mount it at once. Default: `false`. It is settled when the volume is made."),
				"delete_with_instance": flag("Whether the data is deleted with the instance. Default: `false`: it is kept."),
			}),
			"config": object("Text files, shown as a folder.", Map{
				"files":  schema.MapAttribute{Required: true, ElementType: types.StringType, MarkdownDescription: "Contents by file name; together at most 48 KiB."},
				"reload": flag("Whether the readers watch the files, so that a change reaches them without a restart. Default: `false`: a change is a new revision."),
			}),
			"secret": object("A secret, shown as a folder with one file per key.", Map{
				"secret": required(str("Name of one of the instance's `secrets`, or of a secret that exists: a Kubernetes Secret, the path of a Nomad variable.")),
			}),
		}),
		"secrets": objects("Secrets that the instance owns, by name. No value is ever in a plan or in the state.", Map{
			"values_wo":         schema.MapAttribute{Optional: true, WriteOnly: true, ElementType: types.StringType, MarkdownDescription: "Values by key. Write-only: set `values_wo_version` beside it."},
			"values_wo_version": str("Any text that changes whenever the values do; the change writes them and restarts their readers."),
			"generate":          schema.MapAttribute{Optional: true, ElementType: types.Int64Type, MarkdownDescription: "Random values, made straight in the cluster where there are none yet: the number of random bytes by key (16 to 1024). The value is their base64url form."},
		}),
		"expose": objects("Ports of the main container with a stable address, by name.", Map{
			"target":      str("Name of a port of `main`. Default: the name of this entry."),
			"port":        number("Port of the address. Default: that of the container. Nomad has no addresses of its own for services and ignores it."),
			"reach":       str("How far it reaches: `cluster` (default), `node` (a port of every machine) or `load_balancer` (Kubernetes only)."),
			"node_port":   number("Port of every machine, with `reach = \"node\"`. Default: the engine chooses."),
			"annotations": strMap("Annotations of the Kubernetes Service, for load balancers and the like; on Nomad, tags `KEY=VALUE` of the service."),
		}),
		"priority": str("`low`, `default` or `high`: who is evicted first when the cluster is short of room."),
		"spread": list("Asks for replicas to be placed apart.", Map{
			"over":     required(str("`node`, `zone`, or the engine's own topology key.")),
			"required": flag("Whether a placement that is not apart is impossible rather than unliked. Default: `false`."),
		}),
		"termination": object("How a replica ends: it leaves its services, drains, is asked to end, and is killed when the grace is over. Companions end after main.", Map{
			"grace": str("Time from being asked to end to the kill. Default: `30s`.", duration),
			"drain": str("Time between leaving the services and being asked to end, before the grace. Default: `3s` with `expose`, else `0s`.", duration),
		}),
		"update": object("How a new revision replaces the old one.", Map{
			"min_ready": str("Time that a new replica must be ready before it counts. Default: `0s`.", duration),
			"rollback":  flag("Whether to return to the former revision when the new one does not become ready. Default: `true`."),
		}),
		"kubernetes": Kubernetes(),
		"nomad":      Nomad(),
	}
}

// Status are the attributes that the provider computes.
func Status() Map {
	return Map{
		"revision": schema.StringAttribute{Computed: true, MarkdownDescription: "Digest of all that runs. Equal specifications have equal revisions."},
		"status": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "How the instance is.", Attributes: Map{
			"phase":   schema.StringAttribute{Computed: true, MarkdownDescription: "`ready`, `progressing`, `degraded` or `deleting`."},
			"message": schema.StringAttribute{Computed: true, MarkdownDescription: "Why."},
			"desired": schema.Int64Attribute{Computed: true, MarkdownDescription: "Replicas that should run."},
			"ready":   schema.Int64Attribute{Computed: true, MarkdownDescription: "Replicas that are ready."},
			"updated": schema.Int64Attribute{Computed: true, MarkdownDescription: "Replicas of the newest revision."},
		}},
		"endpoints": schema.MapAttribute{Computed: true, ElementType: types.ListType{ElemType: types.StringType}, MarkdownDescription: "Addresses (`HOST:PORT`) by the name in `expose`."},
		"objects":   schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Everything that the instance has made in the engine."},
		"drift":     schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Where the engine differs from the specification. The next apply repairs it."},
	}
}

func without(m Map, names ...string) Map {
	for _, n := range names {
		delete(m, n)
	}
	return m
}
