package topology

// Role is a container's part in its group.
type Role string

const (
	// Init runs to its end before any other role starts.
	Init Role = "init"
	// Companion starts before main and ends after it; it restarts alone and never ends the group.
	Companion Role = "companion"
	// Main is what the group exists for.
	Main Role = "main"
)

// Container is one container of a group.
type Container struct {
	// Name is unique in its group, a DNS label of at most 30 bytes.
	Name string `json:"name"`
	// Origin is the attribute that it was written in (`sidecars["logs"].log_saver`), for what an engine says of it.
	Origin string `json:"-"`
	Role   Role   `json:"role"`
	// Framework is true for the containers of this project.
	Framework  bool       `json:"framework,omitempty"`
	Image      string     `json:"image"`
	PullPolicy PullPolicy `json:"pull_policy,omitempty"`
	// Command replaces the image's entry point, Args its command.
	Command   []string  `json:"command,omitempty"`
	Args      []string  `json:"args,omitempty"`
	WorkDir   string    `json:"work_dir,omitempty"`
	Env       []Env     `json:"env,omitempty"`
	Ports     []Port    `json:"ports,omitempty"`
	Mounts    []Mount   `json:"mounts,omitempty"`
	Resources Resources `json:"resources"`
	Probes    Probes    `json:"probes"`
	Hooks     Hooks     `json:"hooks"`
	Security  Security  `json:"security"`
	// StopSignal is sent instead of the image's own: "SIGQUIT".
	StopSignal string `json:"stop_signal,omitempty"`
}

// PullPolicy says when an image is fetched from its registry.
type PullPolicy string

// The pull policies. The empty one is the engine's default.
const (
	PullAlways       PullPolicy = "always"
	PullIfNotPresent PullPolicy = "if_not_present"
	PullNever        PullPolicy = "never"
)

// Env is one environment variable: exactly one of Value, Secret and Field is meant.
type Env struct {
	Name   string     `json:"name"`
	Value  string     `json:"value,omitempty"`
	Secret *SecretKey `json:"secret,omitempty"`
	Field  Field      `json:"field,omitempty"`
	// Port of FieldReached: the name of one of the container's own.
	Port string `json:"port,omitempty"`
}

// SecretKey points to one value of a secret.
type SecretKey struct {
	// Name of a secret in the instance's own Secrets if Own, else of one that exists: a Secret, a Nomad variable's path.
	Name string `json:"name"`
	Key  string `json:"key"`
	Own  bool   `json:"own,omitempty"`
}

// Field is a fact about the replica that only the engine knows.
type Field string

const (
	// FieldReplica is unique among all replicas that ever were: a Pod's name and UID, an allocation's ID.
	FieldReplica Field = "replica"
	// FieldName is unique among the replicas that live, and short: a Pod's name, the group's with an allocation's short ID, or
	// with its index in a stable group.
	FieldName Field = "name"
	// FieldIndex is the index of a stable or indexed replica, from 0.
	FieldIndex Field = "index"
	// FieldAddress is the replica's IP address.
	FieldAddress Field = "address"
	// FieldReached is where others in the cluster reach a port of the container, HOST:PORT. It has brackets around the host
	// where that might be an IPv6 address.
	FieldReached Field = "reached"
	// FieldNode is the name of the machine.
	FieldNode Field = "node"
	// FieldNamespace is the engine's namespace.
	FieldNamespace Field = "namespace"
)

// Port is a port that a container listens on. Names and numbers are unique in a group, since its containers share localhost.
type Port struct {
	Name   string `json:"name"`
	Number int    `json:"number"`
	// Protocol is "tcp" or "udp".
	Protocol string `json:"protocol"`
}

// Mount shows a volume, a config or a secret of the group to a container.
type Mount struct {
	// Volume is the name of one of the group's volumes.
	Volume   string `json:"volume"`
	Path     string `json:"path"`
	SubPath  string `json:"sub_path,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Resources are what a container is promised (requests) and what it may not exceed (limits). Zero means not given.
//
// A container that asks for little CPU and has no limit scavenges what others leave; one that asks for much keeps its
// latency, because CPU shares follow requests.
type Resources struct {
	Requests Amounts `json:"requests"`
	Limits   Amounts `json:"limits"`
}

// Amounts of what a machine has.
type Amounts struct {
	MilliCPU     int64 `json:"milli_cpu,omitempty"`
	MemoryBytes  int64 `json:"memory_bytes,omitempty"`
	StorageBytes int64 `json:"storage_bytes,omitempty"`
}

// Security is a container's confinement. The zero value is the safest; each field loosens or sets one thing.
type Security struct {
	// User and Group are numeric IDs; nil leaves the image's own, which must not be root unless Root.
	User  *int64 `json:"user,omitempty"`
	Group *int64 `json:"group,omitempty"`
	// Root allows user 0.
	Root bool `json:"root,omitempty"`
	// WritableRoot allows writes to the image's own file system.
	WritableRoot bool `json:"writable_root,omitempty"`
	// Escalation allows set-user-ID programs to gain privileges.
	Escalation bool `json:"escalation,omitempty"`
	// Privileged gives the container all of the machine.
	Privileged bool `json:"privileged,omitempty"`
	// Capabilities are kept, all others are dropped: "NET_BIND_SERVICE".
	Capabilities []string `json:"capabilities,omitempty"`
	// Unconfined turns the seccomp filter off.
	Unconfined bool `json:"unconfined,omitempty"`
}

// Probes ask a container how it is. A nil probe is not asked.
type Probes struct {
	// Startup must succeed once before the others are asked, and before later containers start.
	Startup *Probe `json:"startup,omitempty"`
	// Readiness decides whether services send requests.
	Readiness *Probe `json:"readiness,omitempty"`
	// Liveness decides whether the container is restarted.
	Liveness *Probe `json:"liveness,omitempty"`
}

// Probe is one question; exactly one of HTTP, TCP and Exec is set.
type Probe struct {
	HTTP *HTTPAction `json:"http,omitempty"`
	TCP  *TCPAction  `json:"tcp,omitempty"`
	Exec []string    `json:"exec,omitempty"`

	PeriodSeconds    int `json:"period_seconds"`
	TimeoutSeconds   int `json:"timeout_seconds"`
	FailureThreshold int `json:"failure_threshold"`
	DelaySeconds     int `json:"delay_seconds,omitempty"`
}

// HTTPAction is a GET whose answer must be 200 to 399.
type HTTPAction struct {
	// Port is the name of one of the container's ports.
	Port   string `json:"port"`
	Path   string `json:"path"`
	Scheme string `json:"scheme,omitempty"`
}

// TCPAction is a connection that must open.
type TCPAction struct {
	// Port is the name of one of the container's ports.
	Port string `json:"port"`
}

// Hooks run at turning points of a container's life. The PreStop of a companion runs when its replica is asked to end, which is
// before main is; an engine that has no such hooks asks a companion of the framework to end before main.
type Hooks struct {
	PostStart *Hook `json:"post_start,omitempty"`
	PreStop   *Hook `json:"pre_stop,omitempty"`
}

// Hook is a command or a request; exactly one is set.
type Hook struct {
	Exec []string    `json:"exec,omitempty"`
	HTTP *HTTPAction `json:"http,omitempty"`
}
