// Package config is the public face of the gatherer: the file that it reads at start, its defaults and its rules.
//
// Who writes the file (a pattern, or a person) imports this package and nothing else of the image. It holds no secret.
package config

import "github.com/container-patterns/terraform-provider-pattern/images/internal/settings"

// Duration is written as Go writes it: "1m30s".
type Duration = settings.Duration

// Config is the whole file. Fields marked (live) change while the gatherer runs; others need a restart.
type Config struct {
	settings.Settings
	// Listen is where requests come. Default: ":8080".
	Listen string `json:"listen,omitempty"`
	// Node is this gatherer's place in its tree.
	Node Node `json:"node"`
	// Shards of the whole tree. Required.
	Shards int `json:"shards"`
	// Children that requests are scattered to: leaves, or parents. At least one; each shard is below one of them.
	Children []Child `json:"children"`
	Merge    Merge   `json:"merge"`
	Policy   Policy  `json:"policy,omitzero"`
	Limits   Limits  `json:"limits,omitzero"`
	// Tracing sends spans somewhere. Nil sends none.
	Tracing *Tracing `json:"tracing,omitempty"`
}

// Node is a place in the tree.
type Node struct {
	// Name for people: "root", "parent 1.0". Required.
	Name string `json:"name"`
	// Level is 0 for the root.
	Level int `json:"level"`
	// Depth of the tree: gatherers on the way from a client to a leaf.
	Depth int `json:"depth"`
}

// Child is one shard's leaves, or one parent's replicas.
type Child struct {
	// Name for people and metrics: "shard 3", "parent 1.0", a target's name. Required, unique.
	Name string `json:"name"`
	// Shards that are below it; of a leaf just one. Required.
	Shards []int `json:"shards"`
	// Parent is a gatherer and no leaf.
	Parent bool `json:"parent,omitempty"`
	// EndpointsFile lists the replicas, one HOST:PORT a line, and is read again whenever it changes. A host that is a name
	// stands for all of its addresses. Exactly one of EndpointsFile and URL is set.
	EndpointsFile string `json:"endpoints_file,omitempty"`
	// URL of a service that is there already, http://HOST:PORT with an optional path that is put before that of requests.
	URL string `json:"url,omitempty"`
	// Protocol is "http1" (default) or "h2c".
	Protocol string `json:"protocol,omitempty"`
	// ProbePath is asked of a replica whose breaker is open. Without it, it is enough that a connection opens.
	ProbePath string `json:"probe_path,omitempty"`
}

// Merge is exactly one way to make one answer of many.
type Merge struct {
	Concat    *Concat    `json:"concat,omitempty"`
	JSONArray *JSONArray `json:"json_array,omitempty"`
	TopK      *TopK      `json:"top_k,omitempty"`
	Sum       *Sum       `json:"sum,omitempty"`
	Histogram *Histogram `json:"histogram,omitempty"`
	NDJSON    *NDJSON    `json:"ndjson,omitempty"`
	Container *Container `json:"container,omitempty"`
}

// Concat puts bodies one after the other, in the order of their shards, as they come. Once a part of it was sent, a shard that
// fails ends the client's connection: what is missing in the middle could not be told any more.
type Concat struct {
	// Separator is put between bodies.
	Separator string `json:"separator,omitempty"`
}

// JSONArray puts the elements of all arrays into one; an answer that is no array is an element.
type JSONArray struct {
	// Items is where in a leaf's answer the array is, as "hits" or "result.hits". Default: the answer itself.
	Items string `json:"items,omitempty"`
}

// TopK keeps the best elements of all arrays.
type TopK struct {
	// K is how many. Required.
	K int `json:"k"`
	// Parameter of the query by which a client asks for fewer.
	Parameter string `json:"parameter,omitempty"`
	// By is the field of an element that decides, as "score" or "rank.score". Required.
	By string `json:"by"`
	// Order is "desc" (default: the greatest first) or "asc". Equals are in the order of Then, ascending, and then of their shards.
	Order string `json:"order,omitempty"`
	Then  string `json:"then,omitempty"`
	// Items as of JSONArray.
	Items string `json:"items,omitempty"`
}

// Sum adds numbers, objects field by field, arrays of one length element by element. What else is equal in all stays.
type Sum struct{}

// Histogram adds objects of counts by their keys.
type Histogram struct {
	// Items as of JSONArray, of the object.
	Items string `json:"items,omitempty"`
	// Size keeps that many of the greatest counts. Default: all.
	Size int `json:"size,omitempty"`
}

// NDJSON merges streams of JSON values, one a line, without holding more than a line of each.
type NDJSON struct {
	// By is the field by which each stream is sorted, and then the whole. Default: lines as they come.
	By string `json:"by,omitempty"`
	// Order is "asc" (default) or "desc".
	Order string `json:"order,omitempty"`
	// Limit ends the answer after so many lines. Default: none.
	Limit int `json:"limit,omitempty"`
}

// Container is a developer's server on localhost.
type Container struct {
	// URL that is posted to: "http://127.0.0.1:9000/merge". Required.
	URL string `json:"url"`
	// Format of the parts: "json" (default), "multipart" or "ndjson".
	Format string `json:"format,omitempty"`
	// By and Order as of NDJSON, with format "ndjson".
	By    string `json:"by,omitempty"`
	Order string `json:"order,omitempty"`
}

// Policy rules requests (live).
type Policy struct {
	// Deadline of a request at the root. Default: 2s.
	Deadline Duration `json:"deadline,omitempty"`
	// Reserve is kept at each level for merging and the way back. Default: 5% of the deadline, at least 2ms.
	Reserve Duration `json:"reserve,omitempty"`
	// Require is the least coverage of an answer: "all" (default), "quorum", "best_effort", a number of shards ("6"), or a
	// fraction ("0.75"). Below it the answer is 503. It is the root's to judge.
	Require string `json:"require,omitempty"`
	// Hedge sends a second request where the first is slow. Nil never does.
	Hedge *Hedge `json:"hedge,omitempty"`
	// Retries of a shard at other replicas after failures (not after slowness). Default: 2.
	Retries *int `json:"retries,omitempty"`
	// Concurrency is how many requests are worked on at once. Default: 256.
	Concurrency int `json:"concurrency,omitempty"`
	// Queue is how many wait besides; more are refused with 503. Default: 1024. Nil is the default, 0 lets none wait.
	Queue *int `json:"queue,omitempty"`
	// Outstanding is how many requests one replica gets at once from this gatherer. Default: 1024.
	Outstanding int     `json:"outstanding,omitempty"`
	Breaker     Breaker `json:"breaker,omitzero"`
	Prune       *Prune  `json:"prune,omitempty"`
	Coalesce    bool    `json:"coalesce,omitempty"`
	Cache       *Cache  `json:"cache,omitempty"`
	// Vary are the request headers that make requests different for Coalesce and Cache, besides method, path, query and body.
	// Default: Accept, Accept-Language, Authorization, Content-Type, Cookie.
	Vary []string `json:"vary,omitempty"`
}

// Hedge against slow replicas ("The Tail at Scale", Dean and Barroso, 2013).
type Hedge struct {
	// After is a quantile of the child's own latency ("p95", "p99.9") or a duration ("20ms"). Default: "p95".
	After string `json:"after,omitempty"`
	// Budget is how many hedges there may be for one request to a child, on average. Default: 0.05; at most 0.5.
	Budget float64 `json:"budget,omitempty"`
}

// Breaker keeps requests from a replica that fails.
type Breaker struct {
	// Failures in a row that open it. Default: 3.
	Failures int `json:"failures,omitempty"`
	// Probe is the first pause between probes; it doubles up to ProbeMax. Defaults: 250ms and 10s.
	Probe    Duration `json:"probe,omitempty"`
	ProbeMax Duration `json:"probe_max,omitempty"`
}

// Prune sends a request only to the shards that it names, as "0-3,7". Exactly one field is set.
type Prune struct {
	// Header that names them. A request without it goes to all.
	Header string `json:"header,omitempty"`
	// Path is a template whose segment {shards} names them: "/shards/{shards}/search". A request whose path does not begin so
	// goes to all.
	Path string `json:"path,omitempty"`
}

// Cache keeps complete answers to GET and HEAD.
type Cache struct {
	// TTL of an answer. Required. An answer's own Cache-Control may shorten it, and no-store keeps it out.
	TTL Duration `json:"ttl"`
	// Bytes of all answers. Default: 64 MiB.
	Bytes int64 `json:"bytes,omitempty"`
}

// Limits bound what requests and answers may cost (live, except Connections).
type Limits struct {
	// RequestBytes is the largest body of a request. Default: 1 MiB.
	RequestBytes int64 `json:"request_bytes,omitempty"`
	// PartBytes is the largest answer of a child, after decompression; streamed ones are not bounded. Default: 16 MiB.
	PartBytes int64 `json:"part_bytes,omitempty"`
	// AnswerBytes is the largest sum of parts, and the largest answer of a merge. Default: 64 MiB.
	AnswerBytes int64 `json:"answer_bytes,omitempty"`
	// LineBytes is the largest line of a stream. Default: 1 MiB.
	LineBytes int `json:"line_bytes,omitempty"`
	// HeaderBytes of a request or an answer. Default: 32 KiB.
	HeaderBytes int `json:"header_bytes,omitempty"`
	// Connections of clients at once. Default: 4096.
	Connections int `json:"connections,omitempty"`
}

// Tracing by OpenTelemetry.
type Tracing struct {
	// Endpoint of OTLP over HTTP: "http://collector:4318". Required; $OTEL_EXPORTER_OTLP_ENDPOINT where the file says nothing.
	Endpoint string `json:"endpoint"`
	// Sample is the part of requests that are traced which come without a decision. Default: 0.01.
	Sample float64 `json:"sample,omitempty"`
}
