// Package nomad runs topologies on HashiCorp Nomad: one job for each instance, one variable that holds its record, its
// secrets and its reloading configuration, and ACL policies bound to the job where the containers may do more than run.
//
// Translate says what a topology becomes, without a cluster. The Engine writes it by check-and-set, compares it by a
// dry run of the job (`nomad job plan`), and waits on blocking queries.
//
// What differs from Kubernetes, and why:
//   - Main starts when the companions run, not when their startup probes succeed: Nomad's lifecycle knows "running". The
//     probes do gate the deployment.
//   - Probes decide on the health of a deployment and on restarts; native services list a replica while its container
//     runs, whatever its readiness probe says. A probed port is published on the node, as Nomad's client asks from there.
//   - Nomad's own checks know neither a delay nor a threshold: one success passes a check and one failure fails it. So the
//     initial_delay and failure_threshold of startup and readiness probes have no effect, and a startup probe that does
//     not succeed fails the deployment at its deadline instead of restarting the container. Those of a liveness probe hold.
//   - The annotations of a service are its tags, as KEY=VALUE.
//   - A volume that Nomad makes is on one node; one that replicas on many nodes share must exist.
//   - Several init containers, container hooks and exec probes are refused, because Nomad has no order among prestart
//     tasks, no hooks, and runs commands as probes only with Consul.
//   - A driver's error that Nomad calls unrecoverable ends the replica, be it a companion's; Nomad then makes another.
//   - An image's own user is not inspected: set security.user where the image would run as root.
//   - A CPU limit above the request is not enforced; a memory limit above the request needs the scheduler's memory
//     oversubscription, without which the request is the limit.
//   - A request of storage and an ephemeral volume's size are reserved on disk; neither they nor a limit of storage are
//     enforced, except for a volume in memory. One in memory is lost when its container restarts; one in memory that
//     containers share is on disk. Each container sees the folders of its group at /alloc.
//   - Priority is the job's: the highest of its groups. Labels and annotations are the job's meta, and restart containers
//     when they change.
//   - Nomad's capabilities end at the namespace: a grant to scale or observe reaches the other jobs there.
//   - A job is scaled only between its deployments, and each scaling is one, of all groups: an autoscaler that comes before
//     it is over gets 400 and has to come again. That is some seconds. With replicas that find no place or do not become
//     healthy it lasts until the deadline of the apply, after which Nomad places the missing ones only when it is asked for
//     a number again; where none of a group has found a place, it lasts until there is room.
//   - Volumes of stable replicas are made by the provider, so a stable group with its own is not an autoscaler's.
//   - A client of Nomad kills after 30 seconds at the latest, unless its max_kill_timeout says otherwise.
//
// The token needs, in the instance's namespace: submit-job, read-job, list-jobs, read-logs, alloc-exec to hand over elections
// (alloc-node-exec where the driver isolates no file system), and all of variables below
// nomad/jobs/; host-volume-create, -read and -delete for volumes made on demand; node read, unless the configuration says
// what a core is; and to be a management token where policies are needed: for grants, and to read variables of others.
package nomad

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Name of the engine, and of its extras in a topology.
const Name = "nomad"

// Engine is Nomad. It is safe for concurrent use.
type Engine struct {
	cfg Config

	mu        sync.Mutex
	client    *api.Client
	transport *http.Transport
	mhz       map[string]int // by node pool and datacenters

	waits atomic.Int64 // how many hold blocking queries
}

var _ engine.Engine = (*Engine)(nil)

// New makes an engine without any I/O.
func New(c Config) *Engine { return &Engine{cfg: c, mhz: map[string]int{}} }

// Name is "nomad".
func (e *Engine) Name() string { return Name }

// object names the job of an instance in messages.
func object(k topology.Key) string { return "job " + k.Namespace + "/" + k.Name }

// resolve fills the namespace of a key in.
func (e *Engine) resolve(k topology.Key) topology.Key {
	k.Namespace = e.cfg.namespace(k.Namespace)
	return k
}
