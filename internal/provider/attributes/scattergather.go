package attributes

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ScatterGather are the attributes of a scatter/gather.
func ScatterGather() Map {
	all := Workload()
	merge := object("How the answers of the shards become one: exactly one of `concat`, `json_array`, `top_k`, `sum`, `histogram`, `ndjson` and `container`.", merges())
	merge.Required, merge.Optional = true, false
	return Map{
		"leaf": object("A container of yours that answers requests for one shard of the whole: it gets the client's request unchanged, with headers (`Pattern-Shard`, `Pattern-Deadline`, `traceparent`) besides. All containers of a leaf have `PATTERN_SHARD`, `PATTERN_SHARDS`, `PATTERN_REPLICA` and `PATTERN_INSTANCE` in their environment. A request may come twice (a retry, a hedge), so it must be safe to answer it twice. Exactly one of `leaf` and `targets`.", leaf()),
		"targets": objects("Services that are there already, by name, instead of `leaf`: each is a shard, and they are numbered in the order of their names.", Map{
			"url": required(str("`http://HOST:PORT`, with an optional path that is put before that of requests.")),
		}),
		"merge":   merge,
		"fan_out": number("How many children a gatherer has at most; where there are more shards, parents stand between the root and the leaves. At least 2. Default: 16."),
		"root": object("The gatherer that clients ask.", Map{
			"replicas":   number("How many run. Default: 2."),
			"image":      str("Replaces the provider's own image of the gatherers, the root and the parents."),
			"env":        strMap("Environment variables of the gatherers."),
			"secret_env": secretEnv(),
			"resources":  resources("100m of CPU without a limit, 64Mi of memory with a limit of 512Mi"),
			"expose": object("How far the address of the root reaches.", Map{
				"reach":       str("`cluster` (default), `node` (a port of every machine) or `load_balancer` (Kubernetes only)."),
				"port":        number("Port of the address. Default: 8080. Nomad has no addresses of its own for services and ignores it."),
				"node_port":   number("Port of every machine, with `reach = \"node\"`. Default: the engine chooses."),
				"annotations": strMap("Annotations of the Kubernetes Service; on Nomad, tags `KEY=VALUE` of the service."),
			}),
			"priority":    all["priority"],
			"spread":      all["spread"],
			"termination": drained("gatherer"),
			"kubernetes":  all["kubernetes"],
			"nomad":       all["nomad"],
		}),
		"parents": object("The gatherers between the root and the leaves. What is not here is as the root's.", Map{
			"replicas":  number("How many run of each. Default: as of `root`."),
			"resources": resources("as of `root`"),
		}),
		"policy": policy(),
		"limits": object("Bounds of what requests and answers may cost. A change takes effect without a restart, except that of `connections`.", Map{
			"request_size": str("Largest body of a request. Default: `1Mi`.", size),
			"part_size":    str("Largest answer of a child, after decompression; streamed ones are not bounded. Default: `16Mi`.", size),
			"answer_size":  str("Largest sum of the answers of all children, and largest merged answer. Default: `64Mi`.", size),
			"line_size":    str("Largest line of a stream. Default: `1Mi`.", size),
			"header_size":  str("Largest headers of a request or an answer. Default: `32Ki`.", size),
			"connections":  number("Most connections of clients at once. Default: 4096."),
		}),
		"tracing": object("Sends OpenTelemetry spans that show each request's way through the tree.", Map{
			"endpoint": required(str("OTLP over HTTP: `http://collector:4318`.")),
			"sample":   fraction("The part of requests that are traced which come without a decision of their own. Default: 0.01."),
		}),
		"secrets": all["secrets"],
		"update":  all["update"],
	}
}

// drained is the attribute of that name for what always has an address.
func drained(what string) schema.SingleNestedAttribute {
	return object("How a "+what+" ends: it leaves its services, drains, is asked to end, and is killed when the grace is over.", Map{
		"grace": str("Time from being asked to end to the kill. Default: `30s`.", duration),
		"drain": str("Time between leaving the services and being asked to end, before the grace. Default: `3s`.", duration),
	})
}

// leaf is a container with its group, and how many there are.
func leaf() Map {
	all := Workload()
	return Merged(container(), Elections(), Map{
		"shards":      int64Required("Into how many the whole is split, 1 to 1024. A change makes a new set of leaves (and parents), which takes over when it is ready."),
		"replicas":    number("How many run of each shard. Default: 1."),
		"port":        str("Name of the port in `ports` that requests come to. Default: the only one."),
		"protocol":    str("`http1` (default) or `h2c` (HTTP/2 without TLS)."),
		"identity":    str("`interchangeable` (default): replicas are alike, and `PATTERN_REPLICA` is unique among all that ever were. `stable`: each keeps its index, which is its `PATTERN_REPLICA`, and its own persistent volumes. A change replaces the instance."),
		"sidecars":    Sidecars(),
		"init":        all["init"],
		"volumes":     all["volumes"],
		"priority":    all["priority"],
		"spread":      all["spread"],
		"termination": drained("leaf"),
		"kubernetes":  all["kubernetes"],
		"nomad":       all["nomad"],
	})
}

const itemsDoc = "Where in a leaf's answer it is, as `hits` or `result.hits`. Default: the answer itself."

func merges() Map {
	k := int64Required("How many.")
	by := required(str("Field of an element that decides, as `score` or `rank.score`."))
	return Map{
		"concat": object("Bodies one after the other, in the order of their shards, as they come.", Map{
			"separator": str("Put between bodies. Default: nothing."),
		}),
		"json_array": object("The elements of all arrays in one; an answer that is no array is an element.", Map{
			"items": str(itemsDoc),
		}),
		"top_k": object("The best elements of all arrays.", Map{
			"k":         k,
			"parameter": str("Parameter of the query by which a client asks for fewer."),
			"by":        by,
			"order":     str("`desc` (default: the greatest first) or `asc`."),
			"then":      str("Field by which equals are ordered, ascending, before the order of their shards."),
			"items":     str(itemsDoc),
		}),
		"sum": object("Adds numbers, objects field by field, arrays of one length element by element. What else is equal in all stays.", Map{}),
		"histogram": object("Adds objects of counts by their keys.", Map{
			"items": str(itemsDoc),
			"size":  number("Keeps that many of the greatest counts. Default: all."),
		}),
		"ndjson": object("Merges streams of JSON values, one a line, without holding more than a line of each.", Map{
			"by":    str("Field by which each stream is sorted, and then the whole. Default: lines as they come."),
			"order": str("`asc` (default) or `desc`."),
			"limit": number("Ends the answer after so many lines. Default: none."),
		}),
		"container": object("A server of yours beside every gatherer, reached on localhost: it is posted the client's request and all answers, and answers the whole. Its own answers are parts of the level above, so it must be able to merge what it has merged.", Merged(
			without(container(), "ports", "lifecycle_hooks"), Map{
				"port":    int64Required("Port that it listens on; not 8080 or 9464, which are the gatherer's. Probes call it `merge`. It may listen on localhost only: the gatherer beside it is not ready before it opens."),
				"path":    str("Path that is posted to. Default: `/merge`."),
				"format":  str("`json` (default): one document, where leaves answer JSON. `multipart`: `multipart/mixed`, for any answers. `ndjson`: a stream of lines, for answers too large to be held."),
				"by":      str("Field by which streams are sorted, and then the lines that are posted, with `format = \"ndjson\"`. Default: lines as they come."),
				"order":   str("`asc` (default) or `desc`, with `by`."),
				"volumes": Workload()["volumes"],
			})),
	}
}

func policy() schema.SingleNestedAttribute {
	return object("What rules requests. A change takes effect without a restart.", Map{
		"deadline": str("Of a request at the root; a client may ask for less by the header `Pattern-Deadline`. Default: `2s`.", duration),
		"reserve":  str("Kept at each level for merging and the way back. Default: 5% of the deadline, at least `2ms`.", duration),
		"require":  str("Least coverage of an answer: `all` (default), `quorum`, `best_effort`, a number of shards (`6`) or a fraction (`0.75`). Below it the answer is 503. Every answer names the shards that are missing in it."),
		"hedge": object("Sends a second request to another replica where the first is slow, and takes the answer that comes first.", Map{
			"after":  str("A quantile of the child's own latency (`p95`, `p99.9`) or a duration (`20ms`). Default: `p95`."),
			"budget": fraction("How many hedges there may be for one request to a child, on average: above 0 and at most 0.5. Default: 0.05."),
		}),
		"retries":     number("Further attempts at other replicas after a failure (not after slowness). Default: 2."),
		"concurrency": number("How many requests a gatherer works on at once. Default: 256."),
		"queue":       number("How many wait besides; more are refused with 503. Default: 1024."),
		"outstanding": number("How many requests one replica gets at once from a gatherer. Default: 1024."),
		"breaker": object("Keeps requests from a replica that fails.", Map{
			"failures":  number("Failures in a row that open it. Default: 3."),
			"probe":     str("First pause between probes of such a replica; it doubles up to `probe_max`. Default: `250ms`.", duration),
			"probe_max": str("Longest pause between probes. Default: `10s`.", duration),
		}),
		"prune": object("Sends a request only to the shards that it names, as `0-3,7`: exactly one of `header` and `path`.", Map{
			"header": str("Header that names them. A request without it goes to all."),
			"path":   str("Path whose segment `{shards}` names them, as `/shards/{shards}/search`. A request whose path does not begin so goes to all."),
		}),
		"coalesce": flag("Whether equal requests that come while one is worked on share its answer. Default: `false`."),
		"cache": object("Keeps complete answers to GET and HEAD.", Map{
			"ttl":  required(str("How long; an answer's own `Cache-Control` may shorten it.", duration)),
			"size": str("Of all answers of a gatherer. Default: `64Mi`.", size),
		}),
		"vary": strs("Request headers that make requests different for `coalesce` and `cache`. Default: `Accept`, `Accept-Language`, `Authorization`, `Content-Type`, `Cookie`."),
	})
}

// ScatterGatherStatus are the attributes that the provider computes of a scatter/gather, besides those of every resource.
func ScatterGatherStatus() Map {
	return Map{
		"url": schema.StringAttribute{Computed: true, MarkdownDescription: "Where the root is, as `http://HOST:PORT`; as far as `root.expose` lets it reach."},
		"tree": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "The tree that follows from the number of shards and `fan_out`; the plan shows it.", Attributes: Map{
			"depth":  schema.Int64Attribute{Computed: true, MarkdownDescription: "Gatherers on the way from a client to a leaf."},
			"levels": schema.ListAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "Number of nodes on each level, from the root to the leaves."},
		}},
	}
}
