package attributes

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// WorkQueue are the attributes of a work queue.
func WorkQueue() Map {
	all := Workload()
	stages := objects("Steps of the pipeline, by name (lower-case letters, digits and dashes, at most 30; not `source`, `queue` or `main`). Each is a container of yours that turns an input file into output files.", stage())
	stages.Required, stages.Optional = true, false
	return Map{
		"stages": stages,
		"source": object("Where items come from. Items can be pushed by the API whatever is given here.", Map{
			"bucket": object("An item of each object of a bucket, under the object's name without the prefix. Contents stay in the bucket until they are worked on.", Map{
				"url":    required(str(bucketDoc)),
				"prefix": str("Only objects whose names begin with it."),
				"watch":  str("Look for new objects so often. Default: read once.", duration),
			}),
			"list": strMap("Items with these contents, by name. A name that is added later is a new item; one that is removed changes nothing."),
			"http": object("A server with the source API of Burns' \"Designing Distributed Systems\": `GET /api/v1/items` answers `{\"items\": [\"NAME\", ...]}`, `GET /api/v1/items/NAME` an item's content.", Map{
				"url":   required(str("Before `/api/v1`.")),
				"watch": str("Ask again so often. Default: once.", duration),
			}),
			"schedule": list("An item whenever it is time, named `NAME/2006-01-02T15:04:05Z`: exactly one for each time, however many servers there are. Of the times at which no server ran, the last is made up for.", Map{
				"name":      required(str("Begins the names of the items.")),
				"cron":      required(str("Five fields such as `0 3 * * *`, or `@hourly`, `@daily`, `@every 90s`.")),
				"time_zone": str("Of the IANA, such as `Europe/Berlin`. Default: `UTC`."),
				"data":      str("Content of the items. Default: none."),
			}),
		}),
		"sink": object("Where the outputs of the last stages go. Without it they are kept in the queue's own storage, and fetched from there.", Map{
			"bucket": object("Objects under the names of the outputs; with several last stages, below the name of each.", Map{
				"url":    required(str(bucketDoc)),
				"prefix": str("Put before each object's name."),
			}),
		}),
		"store": object("The database that keeps the queue: at most one of `embedded` (default) and `postgres`. One kind does not become the other.", Map{
			"embedded": object("A file on a persistent volume, of one server.", Map{
				"size":                 str("Size of the volume, as `10Gi` (default). It can grow where the engine and the class can do that, and never shrink.", size),
				"class":                str("Kubernetes StorageClass, or Nomad volume plugin. Default: the engine's own."),
				"existing":             str("A volume that is there already, instead of a new one."),
				"delete_with_instance": flag("Whether the queue's data is deleted with the instance. Default: `false`: it is kept, and a new instance of the same name finds it."),
			}),
			"postgres": object("A PostgreSQL server (13 or later), which any number of queue servers share.", Map{
				"url":     secretKey("Where `postgres://USER:PASSWORD@HOST/DATABASE` is."),
				"schema":  str("Schema of the database that is the queue's own; it is made where it is missing. Default: `work_queue`."),
				"servers": number("How many queue servers run. Default: 1."),
			}),
		}),
		"payloads": object("Where contents are kept that are too large for the store. Default: the queue's own volume; a `postgres` store needs a bucket.", Map{
			"url":         str(bucketDoc),
			"prefix":      str("Put before each object's name."),
			"inline_size": str("Size up to which contents are kept in the store itself. Default: `32Ki`.", size),
		}),
		"queue": object("The queue's server.", Map{
			"image":      str("Replaces the provider's own image of the server."),
			"env":        strMap("Environment variables, such as `AWS_REGION`."),
			"secret_env": secretEnv(),
			"resources":  resources("100m of CPU without a limit, 96Mi of memory with a limit of 256Mi"),
			"expose": object("How far the API and the page reach.", Map{
				"reach":       str("`cluster` (default), `node` (a port of every machine) or `load_balancer` (Kubernetes only)."),
				"port":        number("Port of the address. Default: 8080. Nomad has no addresses of its own for services and ignores it."),
				"node_port":   number("Port of every machine, with `reach = \"node\"`. Default: the engine chooses."),
				"annotations": strMap("Annotations of the Kubernetes Service; on Nomad, tags `KEY=VALUE` of the service."),
			}),
			"limits": object("What clients may ask for.", Map{
				"item_size":           str("Largest content of an item or an output. Default: `1Gi`.", size),
				"body_size":           str("Largest request with a batch. Default: `16Mi`.", size),
				"batch":               number("Most entries in a request. Default: 1000."),
				"requests_per_second": number("Most requests of all clients of a server together; workers do not count. Default: no limit."),
				"connections":         number("Most connections of a server. Default: 4096."),
			}),
			"retention":            str("How long what is done is remembered: its lineage, and its name against doubles. Default: `168h`.", duration),
			"deduplication_window": str("How long a deduplication ID is remembered. Default: `5m`.", duration),
			"priority":             all["priority"],
			"termination":          all["termination"],
			"kubernetes":           all["kubernetes"],
			"nomad":                all["nomad"],
		}),
		"secrets": all["secrets"],
		"update": object("How a new revision replaces the old one.", Map{
			"rollback": flag("Whether to return to the former revision when the new one does not become ready. Default: `true`."),
		}),
		"wait": flag("Whether an apply waits until a finite source is drained: everything read, worked on, and in the sink. It fails with the errors of the dead letters, if there are any. Raise `timeouts` for long work. Default: `false`."),
	}
}

const bucketDoc = "`s3://NAME?region=...`, `gs://NAME`, `azblob://NAME` or `file:///DIRECTORY`. S3-compatible stores take `endpoint` and `use_path_style=true`. Credentials come from `queue.secret_env` or from the machine."

func secretKey(doc string) schema.SingleNestedAttribute {
	a := object(doc, Map{
		"secret": required(str("Name of one of the instance's `secrets`, or of a secret that exists (Kubernetes only).")),
		"key":    required(str("Key in the secret.")),
	})
	a.Required, a.Optional = true, false
	return a
}

// stage is a container with what a worker needs to know, and its group.
func stage() Map {
	all := Workload()
	codes := func(doc string) schema.ListAttribute {
		return schema.ListAttribute{Optional: true, ElementType: types.Int64Type, MarkdownDescription: doc}
	}
	own := without(container(), "probes", "lifecycle_hooks", "args")
	command := schema.ListAttribute{Required: true, ElementType: types.StringType, MarkdownDescription: "What is started for each item (or once, with `mode = \"http\"`): a program of the image and its arguments, without a shell. `$(WORK_ITEM_FILE)`, `$(WORK_OUTPUT_FILE)`, `$(WORK_OUTPUT_DIR)`, `$(WORK_ITEM_NAME)` and the like are replaced; they are environment variables, too."}
	return Merged(own, Elections(), Map{
		"command": command,
		"args":    strs("Put after `command`."),
		"from":    strs("What it takes: `source`, or other stages. Default: `[\"source\"]`. With several, an item's name begins with where it is from and a slash."),
		"mode":    str("`exec` (default): the command is started for each item. `http`: it is a server that is started once, and items are posted to it."),
		"http": object("Where the server of `mode = \"http\"` listens, on localhost.", Map{
			"port":       int64Required("Port of the server."),
			"path":       str("Path that items are posted to. Default: `/`."),
			"ready_path": str("Path that must answer 200 to 399 before items are posted. Default: it is enough that the port is open."),
		}),
		"workers": object("How many replicas there are.", Map{
			"min":            number("At least. 0 lets the stage sleep when there is nothing to do. Default: 1, or `max` if that is less."),
			"max":            number("At most. Where it is above `min`, the queue asks the engine for as many as there is work. Default: `min`."),
			"concurrency":    number("Items that a replica works on at once. Default: 1."),
			"target_wait":    str("How long an item may wait before there should be more workers. Default: `10s`.", duration),
			"scale_in_after": str("How long fewer workers must have been enough before one goes. Default: `30s`.", duration),
		}),
		"timeout":      str("Of one attempt; its processes are ended then. Default: `5m`.", duration),
		"kill_after":   str("Time between SIGTERM and SIGKILL for a command that is ended. Default: `5s`.", duration),
		"visibility":   str("How long an item stays with a worker that is not heard of, before another gets it. Default: `30s`.", duration),
		"max_attempts": number("Attempts before an item becomes a dead letter. Default: 3."),
		"backoff": object("Pause between attempts, doubled from `min` to `max`, with jitter.", Map{
			"min": str("First pause. Default: `1s`.", duration),
			"max": str("Longest pause. Default: `5m`.", duration),
		}),
		"exit_codes": object("What the end of a command means. A code that is in neither list is a dead letter.", Map{
			"done":  codes("Default: 0."),
			"retry": codes("Default: 75 (EX_TEMPFAIL)."),
		}),
		"work_size":   str("Limit of the files of items in work. Default: none.", size),
		"sidecars":    Sidecars(),
		"init":        all["init"],
		"volumes":     all["volumes"],
		"priority":    all["priority"],
		"spread":      all["spread"],
		"termination": all["termination"],
		"kubernetes":  all["kubernetes"],
		"nomad":       all["nomad"],
	})
}

// WorkQueueStatus are the attributes that the provider computes of a work queue, besides those of every resource.
func WorkQueueStatus() Map {
	return Map{
		"url":      schema.StringAttribute{Computed: true, MarkdownDescription: "Where the API is, as `http://HOST:PORT`; as far as `queue.expose` lets it reach. `/v1/openapi.yaml` below it describes it. Its tokens are in the secrets `NAME-client-token` and `NAME-worker-token` (Kubernetes), or the variable `nomad/jobs/NAME` (Nomad)."},
		"page_url": schema.StringAttribute{Computed: true, MarkdownDescription: "The pipeline as a picture, for a browser."},
		"counts":   schema.MapAttribute{Computed: true, ElementType: types.MapType{ElemType: types.Int64Type}, MarkdownDescription: "Items by stage and state (`waiting`, `delayed`, `blocked`, `in_flight`, `done`, `dead`), as the server last reported them."},
	}
}
