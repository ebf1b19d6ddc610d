// Package config is the public face of the queue server: the file that it reads at start, its defaults and its rules.
//
// Who writes the file (a pattern, or a person) imports this package and nothing else of the image. It holds no secret:
// tokens and the database's URL are references to files, credentials of buckets come from the environment as their
// vendors document it (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_KEY, ...).
package config

import "github.com/container-patterns/terraform-provider-pattern/images/internal/settings"

// Duration is written as Go writes it: "1m30s".
type Duration = settings.Duration

// Source is the name by which stages refer to what comes from outside: a source, or a push.
const Source = "source"

// Config is the whole file. Fields marked (live) change while the server runs; others need a restart.
type Config struct {
	settings.Settings
	// Listen is where the API and the page are served. Default: ":8080".
	Listen string `json:"listen,omitempty"`
	// Tokens say who may do what.
	Tokens Tokens `json:"tokens"`
	Store  Store  `json:"store"`
	// Payloads are where what is too large for the store is kept. Default: a folder beside the embedded store.
	Payloads Payloads `json:"payloads,omitzero"`
	// Stages by name (live). At least one.
	Stages map[string]Stage `json:"stages"`
	// Input is where items come from, besides the push API (live).
	Input Input `json:"source,omitzero"`
	// Sink is where the outputs of the last stages go (live). Nil keeps them in the store and the payloads only.
	Sink   *Sink  `json:"sink,omitempty"`
	Limits Limits `json:"limits,omitzero"`
	// Retention is how long what is done is remembered: its lineage, and its name against doubles (live). Default: 168h.
	Retention Duration `json:"retention,omitempty"`
	// DeduplicationWindow is how long a deduplication ID is remembered (live). Default: 5m.
	DeduplicationWindow Duration `json:"deduplication_window,omitempty"`
	// Scale is how the engine is asked for more and fewer workers. Nil leaves their number alone.
	Scale *Scale `json:"scale,omitempty"`
	// Report is how often progress is written to the log, where it has changed. Default: 2s.
	Report Duration `json:"report,omitempty"`
}

// Tokens are bearer tokens, each in a file, one a line: several are accepted so that they can be exchanged.
type Tokens struct {
	// ClientFile may push, list, fetch, redrive, purge. Required.
	ClientFile string `json:"client_file"`
	// WorkerFile may receive, extend, acknowledge, and read and write payloads. Required.
	WorkerFile string `json:"worker_file"`
}

// Store is exactly one kind of database.
type Store struct {
	Embedded *Embedded `json:"embedded,omitempty"`
	Postgres *Postgres `json:"postgres,omitempty"`
}

// Embedded is one file, of one server.
type Embedded struct {
	// Directory on a persistent volume. Required.
	Directory string `json:"directory"`
}

// Postgres is a server that any number of queue servers share.
type Postgres struct {
	// URLFile holds "postgres://USER:PASSWORD@HOST/DATABASE?...". Required.
	URLFile string `json:"url_file"`
	// Schema is made where it is missing, and is the queue's own. Default: "work_queue".
	Schema string `json:"schema,omitempty"`
}

// Payloads of items and outputs.
type Payloads struct {
	// URL of a bucket (s3, gs, azblob or file) that all servers reach.
	URL string `json:"url,omitempty"`
	// Prefix is put before each object's name.
	Prefix string `json:"prefix,omitempty"`
	// InlineBytes is the size up to which a payload is kept in the store itself. Default: 32768.
	InlineBytes int `json:"inline_bytes,omitempty"`
}

// Stage is one step of the pipeline: a developer container that turns an input into outputs.
type Stage struct {
	// From are the stages, or "source", whose outputs are this one's inputs. Default: "source". With several, an item's
	// name begins with where it is from and a slash.
	From []string `json:"from,omitempty"`
	// Timeout of one attempt; the worker ends it then. Default: 5m.
	Timeout Duration `json:"timeout,omitempty"`
	// Visibility is how long an item stays with a worker that is not heard of. Workers extend it. Default: 30s.
	Visibility Duration `json:"visibility,omitempty"`
	// MaxAttempts before an item is dead. Default: 3.
	MaxAttempts int     `json:"max_attempts,omitempty"`
	Backoff     Backoff `json:"backoff,omitzero"`
	Workers     Workers `json:"workers,omitzero"`
}

// Backoff between attempts: doubled from Min to Max, with jitter.
type Backoff struct {
	// Min is the first pause. Default: 1s.
	Min Duration `json:"min,omitempty"`
	// Max is the longest. Default: 5m.
	Max Duration `json:"max,omitempty"`
}

// Workers of a stage.
type Workers struct {
	// Min and Max bound the number of replicas; equal ones fix it. Default of both: 1.
	Min *int `json:"min,omitempty"`
	Max *int `json:"max,omitempty"`
	// Concurrency is how many items a replica works on at once. Default: 1.
	Concurrency int `json:"concurrency,omitempty"`
	// TargetWait is the wait of an item that more workers are meant to keep to. Default: 10s.
	TargetWait Duration `json:"target_wait,omitempty"`
	// ScaleInAfter is how long fewer workers must have been enough before one goes. Default: 30s.
	ScaleInAfter Duration `json:"scale_in_after,omitempty"`
}

// Input is where items come from, besides the push API. Any of them may be given.
type Input struct {
	Bucket   *BucketSource     `json:"bucket,omitempty"`
	List     map[string]string `json:"list,omitempty"` // contents by name
	HTTP     *HTTPSource       `json:"http,omitempty"`
	Schedule []Schedule        `json:"schedule,omitempty"`
}

// BucketSource makes an item of each object.
type BucketSource struct {
	// URL as of gocloud.dev/blob: s3://NAME?..., gs://NAME, azblob://NAME, file:///DIRECTORY. Required.
	URL    string `json:"url"`
	Prefix string `json:"prefix,omitempty"`
	// Watch looks again so often; 0 reads it once.
	Watch Duration `json:"watch,omitempty"`
}

// HTTPSource is the source API of Burns' "Designing Distributed Systems", chapter 10: GET api/v1/items lists names,
// GET api/v1/items/NAME gives an item.
type HTTPSource struct {
	// URL before "/api/v1". Required.
	URL string `json:"url"`
	// Watch looks again so often; 0 reads it once.
	Watch Duration `json:"watch,omitempty"`
}

// Schedule makes an item whenever it is time.
type Schedule struct {
	// Name begins the items' names: "NAME/2006-01-02T15:04:05Z". Required, unique.
	Name string `json:"name"`
	// Cron has five fields, or is a descriptor such as "@hourly" or "@every 90s". Required.
	Cron string `json:"cron"`
	// TimeZone as of the IANA. Default: "UTC".
	TimeZone string `json:"time_zone,omitempty"`
	// Data is the items' content. Default: none.
	Data string `json:"data,omitempty"`
}

// Sink receives the outputs of the last stages as objects; with several last stages, below the name of each.
type Sink struct {
	URL    string `json:"url"`
	Prefix string `json:"prefix,omitempty"`
}

// Limits bound what clients may ask for.
type Limits struct {
	// ItemBytes is the largest payload. Default: 1 GiB.
	ItemBytes int64 `json:"item_bytes,omitempty"`
	// BodyBytes is the largest body of a request with a batch. Default: 16 MiB.
	BodyBytes int64 `json:"body_bytes,omitempty"`
	// Batch is the largest number of entries in a request. Default: 1000.
	Batch int `json:"batch,omitempty"`
	// RequestsPerSecond of all clients of a server together (not of workers); 0 does not limit. Default: 0.
	RequestsPerSecond int `json:"requests_per_second,omitempty"`
	// Connections at once. Default: 4096.
	Connections int `json:"connections,omitempty"`
}

// Scale is how the engine is asked for workers. Which engine it is, the server finds out by itself: Kubernetes by the
// service account that is mounted into its Pod, Nomad by the variables of its task.
type Scale struct {
	// Instance is the name of the pattern's resource: that of the Nomad job, and what the names of StatefulSets begin with.
	Instance string `json:"instance"`
	// Groups whose number of replicas is this server's to decide, by stage. A StatefulSet is named INSTANCE-GROUP.
	Groups map[string]string `json:"groups"`
}
