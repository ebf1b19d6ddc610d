package topology

// Volume is storage that the containers of a group share. Exactly one source is set.
type Volume struct {
	Name       string            `json:"name"`
	Ephemeral  *EphemeralVolume  `json:"ephemeral,omitempty"`
	Persistent *PersistentVolume `json:"persistent,omitempty"`
	// Config is the name of one of the topology's configs, shown as a folder of its files.
	Config string `json:"config,omitempty"`
	// Secret is shown as a folder with one file per key.
	Secret *SecretVolume `json:"secret,omitempty"`
	// Endpoints are shown as a folder of files that name where services are reached. It is read-only.
	Endpoints []EndpointFile `json:"endpoints,omitempty"`
}

// EphemeralVolume lives as long as its replica and survives the restarts of containers.
type EphemeralVolume struct {
	// SizeBytes limits it; 0 does not.
	SizeBytes int64 `json:"size_bytes,omitempty"`
	// Memory keeps it in RAM.
	Memory bool `json:"memory,omitempty"`
}

// PersistentVolume outlives its replica. In a stable group each replica has its own, else all replicas share one.
type PersistentVolume struct {
	SizeBytes int64 `json:"size_bytes"`
	// Class is a StorageClass, or the plugin or host volume name of Nomad.
	Class string `json:"class,omitempty"`
	// Existing names a claim or volume that is there already and stays.
	Existing string `json:"existing,omitempty"`
	// Shared volumes are mounted by many machines at once.
	Shared bool `json:"shared,omitempty"`
	// DeleteWithInstance removes the data with the instance; by default it is kept.
	DeleteWithInstance bool `json:"delete_with_instance,omitempty"`
}

// SecretVolume points to a secret as Env's SecretKey does.
type SecretVolume struct {
	Name string `json:"name"`
	Own  bool   `json:"own,omitempty"`
}

// Config is a set of text files.
type Config struct {
	Name string `json:"name"`
	// Files by their base name.
	Files map[string]string `json:"files"`
	// Reload says that the readers watch the files: a change reaches them without a restart. Otherwise a change of
	// content is a new revision of each group that mounts it.
	Reload bool `json:"reload,omitempty"`
}

// Secret is a set of values that the instance owns. Values never reach a plan, a state file or a manifest.
type Secret struct {
	Name string `json:"name"`
	// Version says which values are meant; it changes when they do, and restarts the groups that read them.
	Version string `json:"version,omitempty"`
	// Values are known only while they are being applied. Nil leaves what the cluster has.
	Values map[string]string `json:"-"`
	// Keys that the values have, where the values are known or were when they were applied.
	Keys []string `json:"keys,omitempty"`
	// Generate makes random values, straight into the cluster, of so many bytes of entropy by key, where there are none yet.
	Generate map[string]int `json:"generate,omitempty"`
}

// Service is a stable address for the ports of a group's ready replicas.
type Service struct {
	// Name by which clients find it, unique in the namespace: the instance's own name, or one that begins with it.
	Name  string        `json:"name"`
	Ports []ServicePort `json:"ports"`
	// Exposure is how far it reaches.
	Exposure Exposure `json:"exposure,omitempty"`
	// Headless gives the addresses of the replicas instead of one of its own.
	Headless bool `json:"headless,omitempty"`
	// Role tells its addresses from those of the instance's other services, where they are told: ROLE.PORT.
	Role string `json:"role,omitempty"`
	// Unready lists replicas also before they are ready, for those that look for each other in order to become so.
	Unready bool `json:"unready,omitempty"`
	// Annotations, for load balancers and the like.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ServicePort maps a service's port to a port of the group.
type ServicePort struct {
	Name string `json:"name"`
	// Port of the service. Engines without virtual addresses ignore it.
	Port int `json:"port"`
	// Target is the name of a container's port.
	Target string `json:"target"`
	// NodePort is the fixed port on each machine; 0 lets the engine choose.
	NodePort int `json:"node_port,omitempty"`
}

// Exposure is how far a service reaches.
type Exposure string

// The exposures.
const (
	ExposeCluster      Exposure = "cluster"
	ExposeNode         Exposure = "node"
	ExposeLoadBalancer Exposure = "load_balancer"
)

// Grant allows the containers of a group to use the engine's API, to the least that works.
type Grant struct {
	// Verb is what may be done: "elect" (records of the instance that its electors share), "scale" (groups of the instance), "observe" (the
	// instance's replicas and endpoints).
	Verb Verb `json:"verb"`
	// Names narrow it to some objects: the groups for scale; the records that electors share for elect, which are to be named.
	// Empty means all of the instance.
	Names []string `json:"names,omitempty"`
}

// Verb of a grant.
type Verb string

// The verbs.
const (
	GrantElect   Verb = "elect"
	GrantScale   Verb = "scale"
	GrantObserve Verb = "observe"
)
