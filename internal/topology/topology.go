// Package topology says what an instance of a pattern needs to run, in terms that every engine can honour: groups of
// containers that are co-scheduled as one atom, their volumes, services, probes, configuration, secrets and grants.
// Patterns produce it, engines consume it; it knows neither.
package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// LabelPrefix begins every label, annotation and meta key that the project writes.
const LabelPrefix = "container-patterns.dev/"

// Topology is one instance of a pattern, ready for translation. Translation is a pure function of it.
type Topology struct {
	// Pattern is the resource type without its prefix: "sidecar".
	Pattern string `json:"pattern"`
	// Name is the instance's name, a DNS label.
	Name string `json:"name"`
	// Namespace is the engine's namespace; empty means the one the engine's configuration names.
	Namespace string `json:"namespace,omitempty"`
	// Labels and Annotations go onto every object that carries such.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Spec is the user's own specification without secret values. The instance carries it in the cluster, so that it
	// can be imported. It does not count for the revision.
	Spec    json.RawMessage `json:"-"`
	Groups  []Group         `json:"groups"`
	Configs []Config        `json:"configs,omitempty"`
	Secrets []Secret        `json:"secrets,omitempty"`
	// PullSecrets name the engine's own registry credentials.
	PullSecrets []string `json:"pull_secrets,omitempty"`
}

// Revision is a short digest of all that the engine would run: equal topologies have equal revisions, in whatever
// namespace, and whether or not the keys of secrets are known.
func (t *Topology) Revision() string {
	anywhere := *t
	anywhere.Namespace = ""
	anywhere.Secrets = slices.Clone(t.Secrets)
	for i := range anywhere.Secrets {
		anywhere.Secrets[i].Keys = nil
	}
	raw, err := json.Marshal(&anywhere)
	if err != nil { // every field is plain data
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6])
}

// Identity says whether the replicas of a group differ from each other.
type Identity string

const (
	// Interchangeable replicas are alike: a Deployment, a service group with a count.
	Interchangeable Identity = "interchangeable"
	// Stable replicas keep their index, their address and their persistent volumes: a StatefulSet, a service per index.
	Stable Identity = "stable"
	// ToCompletion replicas end by themselves: an (Indexed) Job, a batch job.
	ToCompletion Identity = "to_completion"
)

// Group is a set of containers that are co-scheduled as one atom: a Pod, a task group. Its containers share localhost and
// volumes; they start in the order init, companions, main, stop in the reverse order, and restart alone.
type Group struct {
	// Name is unique in the topology. The group of an instance's only group is "main".
	Name     string   `json:"name"`
	Identity Identity `json:"identity"`
	// Replicas is nil when an autoscaler decides.
	Replicas *int `json:"replicas,omitempty"`
	// Containers are in the order in which they start.
	Containers []Container `json:"containers"`
	Volumes    []Volume    `json:"volumes,omitempty"`
	Services   []Service   `json:"services,omitempty"`
	// Grants are what the group may do to the engine. Empty means: no credentials of the engine inside.
	Grants      []Grant     `json:"grants,omitempty"`
	Priority    Priority    `json:"priority,omitempty"`
	Termination Termination `json:"termination"`
	Update      Update      `json:"update"`
	Spread      []Spread    `json:"spread,omitempty"`
	// Completion rules a group ToCompletion.
	Completion *Completion `json:"completion,omitempty"`
	// Extras are what only one engine has, by engine name, in the form that engine documents. Others ignore them.
	Extras map[string]json.RawMessage `json:"extras,omitempty"`
}

// Termination says how a replica ends.
type Termination struct {
	// GraceSeconds pass between the request to end and the kill.
	GraceSeconds int `json:"grace_seconds"`
	// DrainSeconds pass between the removal from the services and the request to end, so that no client still comes.
	DrainSeconds int `json:"drain_seconds,omitempty"`
}

// Update says how a new revision replaces the old one.
type Update struct {
	// MinReadySeconds a replica must be ready before it counts.
	MinReadySeconds int `json:"min_ready_seconds,omitempty"`
	// ProgressSeconds without progress make the update fail. It follows the timeout of the apply, and is no part of the
	// revision.
	ProgressSeconds int `json:"-"`
}

// Completion rules a group that runs to its end.
type Completion struct {
	// Count of replicas that must succeed; each knows its index.
	Count int `json:"count"`
	// Parallelism is how many run at once.
	Parallelism int `json:"parallelism"`
	// Retries of a failed replica before the group has failed.
	Retries int `json:"retries"`
}

// Priority ranks groups when the cluster is short of room.
type Priority string

// The priorities, from the first evicted to the last.
const (
	PriorityLow     Priority = "low"
	PriorityDefault Priority = ""
	PriorityHigh    Priority = "high"
)

// Spread asks the scheduler to place replicas apart.
type Spread struct {
	// Over is "node", "zone", or an engine's own topology key.
	Over string `json:"over"`
	// Required makes a placement that is not apart impossible rather than unliked.
	Required bool `json:"required,omitempty"`
}

// Key names an instance in an engine.
type Key struct {
	Pattern, Namespace, Name string
}

// Key of the instance.
func (t *Topology) Key() Key { return Key{Pattern: t.Pattern, Namespace: t.Namespace, Name: t.Name} }
