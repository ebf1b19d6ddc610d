// Package engine says what the provider needs of an engine. Translation is a pure function in each engine's own package;
// here is what touches a cluster.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// An Engine runs topologies. It is safe for concurrent use, and connects when it is first used.
type Engine interface {
	// Name is "kubernetes" or "nomad".
	Name() string

	// Check finds what this engine cannot do of a topology, and what is not valid in its Extras. It is pure.
	Check(t *topology.Topology) []Fault

	// Apply makes the cluster accept the topology: all objects written, what is no longer wanted pruned. It does not wait
	// for replicas. A creation fails with ExistsError where an instance of that name already is whose record is complete
	// and has another spec; an interrupted creation is taken up where it ended.
	Apply(ctx context.Context, t *topology.Topology, o ApplyOptions) error

	// Wait returns when every group of the topology runs its newest revision and is ready. It fails early with
	// *NotReadyError when waiting longer is of no use: crash loops, image pulls, unschedulable groups, failed creates,
	// failed deployments; and at the end of ctx with *NotReadyError as well. At success the record is marked complete.
	Wait(ctx context.Context, t *topology.Topology, progress func(string)) error

	// Observe compares the cluster with the topology. ErrNotFound when the instance is not there.
	Observe(ctx context.Context, t *topology.Topology) (*Observation, error)

	// Lookup reads the record of an instance, for imports. ErrNotFound when it is not there.
	Lookup(ctx context.Context, key topology.Key) (*Record, error)

	// List reads the records of all instances of a pattern in a namespace ("" is the configured one).
	List(ctx context.Context, namespace, pattern string) ([]Record, error)

	// Tail gives the last lines of the log of a container, oldest first: that of the newest replica of the group in which it
	// runs, by at most two requests. ErrNotRunning where it runs in none, ErrNotFound where there is no such container. Where
	// an engine keeps the two streams apart, it is standard error of a container of the framework, and else standard output.
	Tail(ctx context.Context, t *topology.Topology, group, container string, lines int) ([]string, error)

	// Elections reads the records that the electors of an instance share, by their keys. None is no error: the instance may have no
	// elections, or electors that keep them themselves.
	Elections(ctx context.Context, key topology.Key) (map[string][]byte, error)

	// Replicas of a group in which a container runs now, by their names; those that are to end are left out. None is no error.
	Replicas(ctx context.Context, t *topology.Topology, group, container string) ([]Replica, error)

	// Exec runs a command, of which the first is a path, in a container of a replica, without input, and waits until it ends. That it
	// ends with another status than 0 is no error. Where the credentials do not permit it: *NotPermittedError; where the replica is
	// not there any more, or the container does not run: ErrNotRunning.
	Exec(ctx context.Context, t *topology.Topology, r Replica, container string, command ...string) (*Ran, error)

	// Delete removes all that the instance made and waits until it is gone. Persistent volumes stay unless their
	// DeleteWithInstance was set. No instance is no error. At the end of ctx: *RemainsError.
	Delete(ctx context.Context, key topology.Key) error
}

// ApplyOptions of one Apply.
type ApplyOptions struct {
	// Create says that no instance is expected to be there.
	Create bool
	// Force takes fields over from other managers instead of failing with ConflictError.
	Force bool
}

// Record is what an instance tells about itself in the cluster.
type Record struct {
	Key      topology.Key
	Spec     json.RawMessage
	Revision string
	// Complete is false until the first Wait has succeeded.
	Complete bool
}

// Observation is an instance as it is.
type Observation struct {
	// Revision that the cluster has accepted.
	Revision string
	// Groups by name.
	Groups map[string]GroupStatus
	// Endpoints are addresses by service port: see [EndpointKey].
	Endpoints map[string][]string
	// Objects are all that the instance has made, sorted: "apps/v1/Deployment default/web".
	Objects []string
	// Drift is where owned fields differ from the topology, sorted.
	Drift []Drift
	// Phase is "ready", "progressing", "degraded" or "deleting"; Message says why.
	Phase, Message string
}

// GroupStatus counts replicas.
type GroupStatus struct {
	Desired int `json:"desired"`
	Ready   int `json:"ready"`
	Updated int `json:"updated"`
}

// Drift is one owned field that is not what it should be.
type Drift struct {
	// Object is "Deployment default/web", Field is ".spec.replicas".
	Object, Field string
	// Want and Have are short forms of the values; secrets are not shown.
	Want, Have string
	// Manager last wrote it, where the engine knows.
	Manager string
}

// String is one line: what differs where, and who wrote it.
func (d Drift) String() string {
	s := fmt.Sprintf("%s %s: want %s, have %s", d.Object, d.Field, d.Want, d.Have)
	if d.Manager != "" {
		s += " (written by " + d.Manager + ")"
	}
	return s
}

// Digest stands for a value that must not be shown: equal values have equal digests.
func Digest(value string) string {
	if value == "" {
		return "nothing"
	}
	return fmt.Sprintf("a value (sha256 %.3x...)", sha256.Sum256([]byte(value)))
}

// Fault is something wrong in what the user wrote.
type Fault = fault.Fault

// ErrNotFound is returned where an instance is not in the cluster.
var ErrNotFound = errors.New("instance not found")

// ErrNotRunning is returned where no replica of a group runs now.
var ErrNotRunning = errors.New("no replica is running")

// ConfigError is a fault in how the engine is reached: not configured, unreachable, unauthorised, wrong CA.
type ConfigError struct {
	// Attribute of the provider's configuration, below the engine's own: "host", "token". Empty is the engine's object.
	Attribute string
	// Summary is one line, Detail says what to set.
	Summary, Detail string
	Err             error
}

// Error is the summary and what to set.
func (e *ConfigError) Error() string { return e.Summary + ": " + e.Detail }

// Unwrap gives the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// ExistsError says that an instance of that name is there and is not ours to take.
type ExistsError struct {
	Key   topology.Key
	Owner string
}

// Error names the instance and its owner.
func (e *ExistsError) Error() string {
	s := fmt.Sprintf("%s/%s already exists", e.Key.Namespace, e.Key.Name)
	if e.Owner != "" {
		s += " and belongs to " + e.Owner
	}
	return s
}

// ConflictError says that another field manager owns fields that we want to write.
type ConflictError struct {
	Object string
	// Fields by the manager that owns them.
	Fields map[string][]string
	Err    error
}

// Error names the object, and the fields of each manager, in the order of their names.
func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: fields are owned by others:", e.Object)
	for _, m := range slices.Sorted(maps.Keys(e.Fields)) {
		fmt.Fprintf(&b, " %s owns %s;", m, strings.Join(e.Fields[m], ", "))
	}
	return b.String()
}

// Unwrap gives the API's own error.
func (e *ConflictError) Unwrap() error { return e.Err }

// RejectedError says that the cluster refused an object, and why.
type RejectedError struct {
	Object string
	Reason string
	Err    error
}

// Error names the object and the reason.
func (e *RejectedError) Error() string { return e.Object + " was refused: " + e.Reason }

// Unwrap gives the API's own error.
func (e *RejectedError) Unwrap() error { return e.Err }

// NotReadyError says why an instance does not become ready.
type NotReadyError struct {
	Key topology.Key
	// Group and Container that fail; Container may be empty.
	Group, Container string
	// Reason is the field's own term: CrashLoopBackOff, ImagePullBackOff, Unschedulable, FailedCreate, ProgressDeadlineExceeded, Timeout.
	Reason  string
	Message string
	// Events are the last of the failing object, oldest first.
	Events []string
	// Log holds the last lines of the failing container.
	Log []string
	// Waited is how long.
	Waited time.Duration
}

// Error says which group fails and why, with the last events and log lines below.
func (e *NotReadyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "group %q is not ready after %s: %s", e.Group, e.Waited.Round(time.Second), e.Reason)
	if e.Container != "" {
		fmt.Fprintf(&b, " in container %q", e.Container)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	for _, s := range []struct {
		title string
		lines []string
	}{{"Last events:", e.Events}, {"Last log lines:", e.Log}} {
		if len(s.lines) > 0 {
			fmt.Fprintf(&b, "\n\n%s\n  %s", s.title, strings.Join(s.lines, "\n  "))
		}
	}
	return b.String()
}

// RemainsError says what a deletion could not remove in time.
type RemainsError struct {
	Key topology.Key
	// Objects with their finalizers: "apps/v1/Deployment default/web (finalizers: foregroundDeletion)".
	Objects []string
}

// Error lists what remains, one object a line.
func (e *RemainsError) Error() string {
	return fmt.Sprintf("%s/%s is not deleted yet; these remain:\n  %s", e.Key.Namespace, e.Key.Name, strings.Join(e.Objects, "\n  "))
}
