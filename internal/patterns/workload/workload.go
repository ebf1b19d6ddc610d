// Package workload holds the attributes that every resource shares which runs developer containers: what they mean, what
// is wrong with them, and the group of containers that they become.
//
// The fields are named in JSON as the attributes are named in HCL.
package workload

import (
	"encoding/json"
)

// Instance is what every resource of the provider has.
type Instance struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Workload is one group of containers around a main one.
type Workload struct {
	Main Container `json:"main"`
	// Init run before all others, in this order.
	Init []InitContainer `json:"init,omitempty"`
	// Replicas is nil when an autoscaler decides.
	Replicas *int `json:"replicas,omitempty"`
	// Identity is "interchangeable" (default) or "stable".
	Identity    string               `json:"identity,omitempty"`
	Volumes     map[string]Volume    `json:"volumes,omitempty"`
	Secrets     map[string]SecretSet `json:"secrets,omitempty"`
	Expose      map[string]Expose    `json:"expose,omitempty"`
	Priority    string               `json:"priority,omitempty"`
	Spread      []Spread             `json:"spread,omitempty"`
	Termination *Termination         `json:"termination,omitempty"`
	Update      *Update              `json:"update,omitempty"`
	// Kubernetes and Nomad are what only one engine has; that engine checks them.
	Kubernetes json.RawMessage `json:"kubernetes,omitempty"`
	Nomad      json.RawMessage `json:"nomad,omitempty"`
}

// InitContainer runs to its end before the others start.
type InitContainer struct {
	Name string `json:"name"`
	Container
}

// Container is a developer's container.
type Container struct {
	Image      string               `json:"image"`
	PullPolicy string               `json:"pull_policy,omitempty"`
	Command    []string             `json:"command,omitempty"`
	Args       []string             `json:"args,omitempty"`
	WorkingDir string               `json:"working_dir,omitempty"`
	Env        map[string]string    `json:"env,omitempty"`
	SecretEnv  map[string]SecretRef `json:"secret_env,omitempty"`
	Ports      map[string]Port      `json:"ports,omitempty"`
	// Mounts by the name of the volume.
	Mounts     map[string]Mount `json:"mounts,omitempty"`
	Resources  *Resources       `json:"resources,omitempty"`
	Probes     *Probes          `json:"probes,omitempty"`
	Lifecycle  *Lifecycle       `json:"lifecycle_hooks,omitempty"`
	Security   *Security        `json:"security,omitempty"`
	StopSignal string           `json:"stop_signal,omitempty"`
}

// SecretRef points to a key of one of the instance's secrets, or of one that the cluster has.
type SecretRef struct {
	Secret string `json:"secret"`
	Key    string `json:"key"`
}

// Port that a container listens on.
type Port struct {
	Port     int    `json:"port"`
	Protocol string `json:"protocol,omitempty"`
}

// Mount shows a volume to a container.
type Mount struct {
	Path     string `json:"path"`
	SubPath  string `json:"sub_path,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Resources of a container.
type Resources struct {
	Requests *Amounts `json:"requests,omitempty"`
	Limits   *Amounts `json:"limits,omitempty"`
}

// Amounts of what a machine has.
type Amounts struct {
	CPU     CPU  `json:"cpu,omitempty"`
	Memory  Size `json:"memory,omitempty"`
	Storage Size `json:"storage,omitempty"`
}

// Probes of a container.
type Probes struct {
	Startup   *Probe `json:"startup,omitempty"`
	Readiness *Probe `json:"readiness,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
}

// Probe is one question to a container: exactly one of HTTP, TCP and Exec.
type Probe struct {
	HTTP             *HTTP     `json:"http,omitempty"`
	TCP              *TCP      `json:"tcp,omitempty"`
	Exec             []string  `json:"exec,omitempty"`
	Period           *Duration `json:"period,omitempty"`
	Timeout          *Duration `json:"timeout,omitempty"`
	FailureThreshold int       `json:"failure_threshold,omitempty"`
	InitialDelay     Duration  `json:"initial_delay,omitempty"`
}

// HTTP is a request to one of the container's ports.
type HTTP struct {
	Port   string `json:"port"`
	Path   string `json:"path,omitempty"`
	Scheme string `json:"scheme,omitempty"`
}

// TCP is a connection to one of the container's ports.
type TCP struct {
	Port string `json:"port"`
}

// Lifecycle are the hooks of a container.
type Lifecycle struct {
	PostStart *Hook `json:"post_start,omitempty"`
	PreStop   *Hook `json:"pre_stop,omitempty"`
}

// Hook is a command or a request.
type Hook struct {
	Exec []string `json:"exec,omitempty"`
	HTTP *HTTP    `json:"http,omitempty"`
}

// Security loosens a container's confinement.
type Security struct {
	User         *int64   `json:"user,omitempty"`
	Group        *int64   `json:"group,omitempty"`
	AllowRoot    bool     `json:"allow_root,omitempty"`
	WritableRoot bool     `json:"writable_root,omitempty"`
	Escalation   bool     `json:"allow_privilege_escalation,omitempty"`
	Privileged   bool     `json:"privileged,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	Seccomp      string   `json:"seccomp,omitempty"`
}

// Volume is exactly one kind of storage.
type Volume struct {
	Ephemeral  *Ephemeral   `json:"ephemeral,omitempty"`
	Persistent *Persistent  `json:"persistent,omitempty"`
	Config     *ConfigFiles `json:"config,omitempty"`
	Secret     *SecretFiles `json:"secret,omitempty"`
}

// Ephemeral storage lives as long as its replica.
type Ephemeral struct {
	Size   Size   `json:"size,omitempty"`
	Medium string `json:"medium,omitempty"`
}

// Persistent storage outlives its replica.
type Persistent struct {
	Size               Size   `json:"size,omitempty"`
	Class              string `json:"class,omitempty"`
	Existing           string `json:"existing,omitempty"`
	Shared             bool   `json:"shared,omitempty"`
	DeleteWithInstance bool   `json:"delete_with_instance,omitempty"`
}

// ConfigFiles are text files that Terraform writes.
type ConfigFiles struct {
	Files  map[string]string `json:"files"`
	Reload bool              `json:"reload,omitempty"`
}

// SecretFiles shows a secret as files.
type SecretFiles struct {
	Secret string `json:"secret"`
}

// SecretSet is a secret that the instance owns.
type SecretSet struct {
	// Values are write-only: they are in the configuration, and neither in plans nor in state.
	Values   map[string]string `json:"values_wo,omitempty"`
	Version  string            `json:"values_wo_version,omitempty"`
	Generate map[string]int    `json:"generate,omitempty"`
}

// Expose gives a port of the main container a stable address.
type Expose struct {
	// Target is the name of a port of the main container; default: the key of the map.
	Target      string            `json:"target,omitempty"`
	Port        int               `json:"port,omitempty"`
	Reach       string            `json:"reach,omitempty"`
	NodePort    int               `json:"node_port,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Spread asks for replicas to be apart.
type Spread struct {
	Over     string `json:"over"`
	Required bool   `json:"required,omitempty"`
}

// Termination says how a replica ends.
type Termination struct {
	Grace *Duration `json:"grace,omitempty"`
	Drain *Duration `json:"drain,omitempty"`
}

// Update says how a new revision replaces the old one.
type Update struct {
	MinReady Duration `json:"min_ready,omitempty"`
	// Rollback returns to the former revision when the new one does not become ready. Nil means true.
	Rollback *bool `json:"rollback,omitempty"`
}
