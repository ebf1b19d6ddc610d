// Package scattergather is the paper's scatter/gather pattern (5.3): the developer brings a container that answers for one
// shard, and one that merges answers, and all else of a tree that answers for the whole is the framework's.
package scattergather

import (
	"encoding/json"
	"maps"
	"slices"

	gatherer "github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Name of the pattern.
const Name = "scatter_gather"

// Spec is what a user writes of a pattern_scatter_gather.
type Spec struct {
	workload.Instance
	// Exactly one of Leaf and Targets is what requests are scattered to.
	Leaf    *Leaf             `json:"leaf,omitempty"`
	Targets map[string]Target `json:"targets,omitempty"`
	Merge   *Merge            `json:"merge,omitempty"`
	// FanOut is how many children a gatherer has at most.
	FanOut  *int                          `json:"fan_out,omitempty"`
	Root    *Root                         `json:"root,omitempty"`
	Parents *Parents                      `json:"parents,omitempty"`
	Policy  *Policy                       `json:"policy,omitempty"`
	Limits  *Limits                       `json:"limits,omitempty"`
	Tracing *Tracing                      `json:"tracing,omitempty"`
	Secrets map[string]workload.SecretSet `json:"secrets,omitempty"`
	Update  *workload.Update              `json:"update,omitempty"`
}

var _ patterns.Spec = (*Spec)(nil)

// Leaf is a developer container that answers for one shard, and how many of it run.
type Leaf struct {
	workload.Container
	Shards int `json:"shards"`
	// Replicas of each shard.
	Replicas *int `json:"replicas,omitempty"`
	// Port is the name of the one that requests come to.
	Port     string `json:"port,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Identity string `json:"identity,omitempty"`

	// Elections are among the replicas of a shard.
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

// Target is a service that is there already.
type Target struct {
	URL string `json:"url"`
}

// Merge is exactly one way to make one answer of many. The built-in ones are the gatherer's own.
type Merge struct {
	Concat    *gatherer.Concat    `json:"concat,omitempty"`
	JSONArray *gatherer.JSONArray `json:"json_array,omitempty"`
	TopK      *gatherer.TopK      `json:"top_k,omitempty"`
	Sum       *gatherer.Sum       `json:"sum,omitempty"`
	Histogram *gatherer.Histogram `json:"histogram,omitempty"`
	NDJSON    *gatherer.NDJSON    `json:"ndjson,omitempty"`
	Container *MergeContainer     `json:"container,omitempty"`
}

// MergeContainer is a developer's server beside every gatherer.
type MergeContainer struct {
	workload.Container
	Port    int                        `json:"port"`
	Path    string                     `json:"path,omitempty"`
	Format  string                     `json:"format,omitempty"`
	By      string                     `json:"by,omitempty"`
	Order   string                     `json:"order,omitempty"`
	Volumes map[string]workload.Volume `json:"volumes,omitempty"`
}

// Root is the gatherer that clients ask.
type Root struct {
	Replicas    *int                          `json:"replicas,omitempty"`
	Image       string                        `json:"image,omitempty"`
	Env         map[string]string             `json:"env,omitempty"`
	SecretEnv   map[string]workload.SecretRef `json:"secret_env,omitempty"`
	Resources   *workload.Resources           `json:"resources,omitempty"`
	Expose      *framework.Expose             `json:"expose,omitempty"`
	Priority    string                        `json:"priority,omitempty"`
	Spread      []workload.Spread             `json:"spread,omitempty"`
	Termination *workload.Termination         `json:"termination,omitempty"`
	Kubernetes  json.RawMessage               `json:"kubernetes,omitempty"`
	Nomad       json.RawMessage               `json:"nomad,omitempty"`
}

// Parents are the gatherers between the root and the leaves. What is not here is as the root's.
type Parents struct {
	Replicas  *int                `json:"replicas,omitempty"`
	Resources *workload.Resources `json:"resources,omitempty"`
}

// Policy rules requests, as the gatherer's configuration says.
type Policy struct {
	Deadline    *workload.Duration `json:"deadline,omitempty"`
	Reserve     *workload.Duration `json:"reserve,omitempty"`
	Require     string             `json:"require,omitempty"`
	Hedge       *Hedge             `json:"hedge,omitempty"`
	Retries     *int               `json:"retries,omitempty"`
	Concurrency *int               `json:"concurrency,omitempty"`
	Queue       *int               `json:"queue,omitempty"`
	Outstanding *int               `json:"outstanding,omitempty"`
	Breaker     *Breaker           `json:"breaker,omitempty"`
	Prune       *gatherer.Prune    `json:"prune,omitempty"`
	Coalesce    bool               `json:"coalesce,omitempty"`
	Cache       *Cache             `json:"cache,omitempty"`
	Vary        []string           `json:"vary,omitempty"`
}

// Hedge against slow replicas.
type Hedge struct {
	After  string   `json:"after,omitempty"`
	Budget *float64 `json:"budget,omitempty"`
}

// Breaker keeps requests from a replica that fails.
type Breaker struct {
	Failures *int               `json:"failures,omitempty"`
	Probe    *workload.Duration `json:"probe,omitempty"`
	ProbeMax *workload.Duration `json:"probe_max,omitempty"`
}

// Cache of complete answers.
type Cache struct {
	TTL  *workload.Duration `json:"ttl,omitempty"`
	Size *workload.Size     `json:"size,omitempty"`
}

// Limits of what requests and answers may cost.
type Limits struct {
	RequestSize *workload.Size `json:"request_size,omitempty"`
	PartSize    *workload.Size `json:"part_size,omitempty"`
	AnswerSize  *workload.Size `json:"answer_size,omitempty"`
	LineSize    *workload.Size `json:"line_size,omitempty"`
	HeaderSize  *workload.Size `json:"header_size,omitempty"`
	Connections *int           `json:"connections,omitempty"`
}

// Tracing by OpenTelemetry.
type Tracing struct {
	Endpoint string   `json:"endpoint"`
	Sample   *float64 `json:"sample,omitempty"`
}

// What holds where the user says nothing.
const (
	defaultFanOut        = 16
	defaultRootReplicas  = 2
	defaultLeafReplicas  = 1
	defaultMergePath     = "/merge"
	leastFanOut          = 2
	maxShards            = 1024
	mergePort            = "merge"
	stable               = "stable"
	mergeContainer       = "merge"
	mergeContainerOrigin = "merge.container"
)

// shards of the whole tree.
func (s *Spec) shards() int {
	if s.Leaf != nil {
		return s.Leaf.Shards
	}
	return len(s.Targets)
}

// targetNames in the order in which they are numbered.
func (s *Spec) targetNames() []string { return slices.Sorted(maps.Keys(s.Targets)) }

func (s *Spec) fanOut() int { return orElse(s.FanOut, defaultFanOut) }

// root with nothing left out but what has no default.
func (s *Spec) root() Root {
	if s.Root == nil {
		return Root{}
	}
	return *s.Root
}

func (s *Spec) rootReplicas() int { return orElse(s.root().Replicas, defaultRootReplicas) }

func (s *Spec) parentReplicas() int {
	if s.Parents != nil {
		return orElse(s.Parents.Replicas, s.rootReplicas())
	}
	return s.rootReplicas()
}

func (l *Leaf) replicas() int { return orElse(l.Replicas, defaultLeafReplicas) }

// port that requests come to: the named one, or the only one; "" where that is not to be told.
func (l *Leaf) port() string {
	if l.Port != "" {
		return l.Port
	}
	if len(l.Ports) == 1 {
		for name := range l.Ports {
			return name
		}
	}
	return ""
}

// orElse is what a pointer points to, if it does.
func orElse[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// ForgetSecrets removes write-only values.
func (s *Spec) ForgetSecrets() {
	w := workload.Workload{Secrets: s.Secrets}
	w.ForgetSecrets()
}

// Changes says what of a change from a former spec cannot be made in place. Another number of shards can: it is another set
// of groups.
func (s *Spec) Changes(former patterns.Spec) (replaced, refused fault.List) {
	was := former.(*Spec)
	replaced = s.Instance.Changes(&was.Instance)
	if s.Leaf == nil || was.Leaf == nil || s.Leaf.Shards != was.Leaf.Shards {
		return replaced, nil
	}
	is, had := s.leafWorkload(), was.leafWorkload()
	r, no := is.Changes(&had)
	r = append(r, s.Leaf.Elections.Changes(&was.Leaf.Elections, &is, &had)...)
	return append(replaced, framework.Below("leaf", r)...), framework.Below("leaf", no)
}
