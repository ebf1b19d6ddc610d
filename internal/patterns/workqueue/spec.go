// Package workqueue is the paper's work queue pattern (5.2): the developer brings containers that turn an input file into
// an output file, and all else of a complete, durable work queue is the framework's.
package workqueue

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Name of the pattern.
const Name = "work_queue"

// Spec is what a user writes of a pattern_work_queue.
type Spec struct {
	workload.Instance
	Stages   map[string]Stage              `json:"stages"`
	Source   *Source                       `json:"source,omitempty"`
	Sink     *Sink                         `json:"sink,omitempty"`
	Store    *Store                        `json:"store,omitempty"`
	Payloads *Payloads                     `json:"payloads,omitempty"`
	Queue    *Queue                        `json:"queue,omitempty"`
	Secrets  map[string]workload.SecretSet `json:"secrets,omitempty"`
	Update   *workload.Update              `json:"update,omitempty"`
	// Wait makes an apply wait until a finite source is drained.
	Wait bool `json:"wait,omitempty"`
}

var _ patterns.Spec = (*Spec)(nil)

// Stage is one step of the pipeline: a developer container, and workers that run it.
type Stage struct {
	workload.Container
	From        []string           `json:"from,omitempty"`
	Mode        string             `json:"mode,omitempty"`
	HTTP        *HTTP              `json:"http,omitempty"`
	Workers     *Workers           `json:"workers,omitempty"`
	Timeout     *workload.Duration `json:"timeout,omitempty"`
	KillAfter   *workload.Duration `json:"kill_after,omitempty"`
	Visibility  *workload.Duration `json:"visibility,omitempty"`
	MaxAttempts int                `json:"max_attempts,omitempty"`
	Backoff     *Backoff           `json:"backoff,omitempty"`
	ExitCodes   *ExitCodes         `json:"exit_codes,omitempty"`
	// WorkSize limits the files of items in work.
	WorkSize workload.Size `json:"work_size,omitempty"`

	elections.Elections
	Sidecars    sidecar.Sidecars           `json:"sidecars,omitempty"`
	Init        []workload.InitContainer   `json:"init,omitempty"`
	Volumes     map[string]workload.Volume `json:"volumes,omitempty"`
	Priority    string                     `json:"priority,omitempty"`
	Spread      []workload.Spread          `json:"spread,omitempty"`
	Termination *workload.Termination      `json:"termination,omitempty"`
	Kubernetes  json.RawMessage            `json:"kubernetes,omitempty"`
	Nomad       json.RawMessage            `json:"nomad,omitempty"`
}

// HTTP is the developer's server, of a stage whose mode is "http".
type HTTP struct {
	Port      int    `json:"port"`
	Path      string `json:"path,omitempty"`
	ReadyPath string `json:"ready_path,omitempty"`
}

// Workers of a stage.
type Workers struct {
	Min          *int               `json:"min,omitempty"`
	Max          *int               `json:"max,omitempty"`
	Concurrency  int                `json:"concurrency,omitempty"`
	TargetWait   *workload.Duration `json:"target_wait,omitempty"`
	ScaleInAfter *workload.Duration `json:"scale_in_after,omitempty"`
}

// Backoff between attempts.
type Backoff struct {
	Min *workload.Duration `json:"min,omitempty"`
	Max *workload.Duration `json:"max,omitempty"`
}

// ExitCodes say what the end of a command means.
type ExitCodes struct {
	Done  []int `json:"done,omitempty"`
	Retry []int `json:"retry,omitempty"`
}

// Source is where items come from, besides the push API.
type Source struct {
	Bucket   *BucketSource     `json:"bucket,omitempty"`
	List     map[string]string `json:"list,omitempty"`
	HTTP     *HTTPSource       `json:"http,omitempty"`
	Schedule []Schedule        `json:"schedule,omitempty"`
}

// BucketSource makes an item of each object.
type BucketSource struct {
	URL    string             `json:"url"`
	Prefix string             `json:"prefix,omitempty"`
	Watch  *workload.Duration `json:"watch,omitempty"`
}

// HTTPSource is the source API of Burns' "Designing Distributed Systems".
type HTTPSource struct {
	URL   string             `json:"url"`
	Watch *workload.Duration `json:"watch,omitempty"`
}

// Schedule makes an item whenever it is time.
type Schedule struct {
	Name     string `json:"name"`
	Cron     string `json:"cron"`
	TimeZone string `json:"time_zone,omitempty"`
	Data     string `json:"data,omitempty"`
}

// Sink is where the outputs of the last stages go.
type Sink struct {
	Bucket *Bucket `json:"bucket,omitempty"`
}

// Bucket with a prefix of names.
type Bucket struct {
	URL    string `json:"url"`
	Prefix string `json:"prefix,omitempty"`
}

// Store is at most one kind of database; none is the embedded one.
type Store struct {
	Embedded *Embedded `json:"embedded,omitempty"`
	Postgres *Postgres `json:"postgres,omitempty"`
}

// Embedded is a file on a persistent volume, of one server.
type Embedded struct {
	Size               workload.Size `json:"size,omitempty"`
	Class              string        `json:"class,omitempty"`
	Existing           string        `json:"existing,omitempty"`
	DeleteWithInstance bool          `json:"delete_with_instance,omitempty"`
}

// Postgres is a server that any number of queue servers share.
type Postgres struct {
	URL     workload.SecretRef `json:"url"`
	Schema  string             `json:"schema,omitempty"`
	Servers int                `json:"servers,omitempty"`
}

// Payloads that are too large for the store.
type Payloads struct {
	URL         string        `json:"url,omitempty"`
	Prefix      string        `json:"prefix,omitempty"`
	InlineBytes workload.Size `json:"inline_size,omitempty"`
}

// Queue is the server.
type Queue struct {
	Image     string                        `json:"image,omitempty"`
	Env       map[string]string             `json:"env,omitempty"`
	SecretEnv map[string]workload.SecretRef `json:"secret_env,omitempty"`
	Resources *workload.Resources           `json:"resources,omitempty"`
	Expose    *framework.Expose             `json:"expose,omitempty"`
	Limits    *Limits                       `json:"limits,omitempty"`
	// Retention of what is done.
	Retention           *workload.Duration    `json:"retention,omitempty"`
	DeduplicationWindow *workload.Duration    `json:"deduplication_window,omitempty"`
	Priority            string                `json:"priority,omitempty"`
	Termination         *workload.Termination `json:"termination,omitempty"`
	Kubernetes          json.RawMessage       `json:"kubernetes,omitempty"`
	Nomad               json.RawMessage       `json:"nomad,omitempty"`
}

// Limits of what clients may ask for.
type Limits struct {
	ItemSize          workload.Size `json:"item_size,omitempty"`
	BodySize          workload.Size `json:"body_size,omitempty"`
	Batch             int           `json:"batch,omitempty"`
	RequestsPerSecond int           `json:"requests_per_second,omitempty"`
	Connections       int           `json:"connections,omitempty"`
}

// names of the stages, sorted.
func (s *Spec) names() []string { return slices.Sorted(maps.Keys(s.Stages)) }

// ForgetSecrets removes write-only values.
func (s *Spec) ForgetSecrets() {
	w := workload.Workload{Secrets: s.Secrets}
	w.ForgetSecrets()
}

// Changes says what of a change from a former spec cannot be made in place.
func (s *Spec) Changes(former patterns.Spec) (replaced, refused fault.List) {
	was := former.(*Spec)
	replaced = s.Instance.Changes(&was.Instance)
	if (s.postgres() == nil) != (was.postgres() == nil) {
		refused.Add("store", "items do not move from one kind of store to another: make a second work queue, and let this one run empty")
	}
	if s.postgres() == nil && was.postgres() == nil {
		is, had := s.queueWorkload(), was.queueWorkload()
		r, no := is.Changes(&had)
		for _, f := range r {
			replaced = append(replaced, atStore(f))
		}
		for _, f := range no {
			refused = append(refused, atStore(f))
		}
	}
	for _, name := range s.names() {
		old, was := was.Stages[name]
		if !was {
			continue
		}
		stage := s.Stages[name]
		is, had := stage.workload(nil), old.workload(nil)
		r, no := is.Changes(&had)
		at := fault.Key("stages", name)
		r = append(r, stage.Elections.Changes(&old.Elections, &is, &had)...)
		replaced, refused = append(replaced, framework.Below(at, r)...), append(refused, framework.Below(at, no)...)
	}
	return replaced, refused
}

func (s *Spec) postgres() *Postgres {
	if s.Store == nil {
		return nil
	}
	return s.Store.Postgres
}
