// Package elections is what elects leaders among the replicas of a group: the elector beside each, and the Services that reach the
// leader. Every pattern that runs developer containers takes elections; they are the whole of the pattern leader_election.
package elections

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Elections among the replicas of a group. Every pattern that runs developer containers takes them.
type Elections struct {
	// Elections by their names, and sets of them.
	Elections map[string]Election `json:"elections,omitempty"`
	Sets      map[string]Set      `json:"election_sets,omitempty"`
	Elector   *Elector            `json:"elector,omitempty"`
}

// Election of one leader.
type Election struct {
	// ExposeLeader makes a Service that always reaches just the leader, at the ports of the main container.
	ExposeLeader bool `json:"expose_leader,omitempty"`
}

// Set of elections that the replicas share out evenly.
type Set struct {
	Shards int `json:"shards"`
}

// Elector is the container beside each replica, which decides all of its elections.
type Elector struct {
	Lease *Lease `json:"lease,omitempty"`
	// Campaign is "auto" (default) or "app".
	Campaign string `json:"campaign,omitempty"`
	// Backend is "engine" (default) or "raft".
	Backend   string     `json:"backend,omitempty"`
	Callbacks *Callbacks `json:"callbacks,omitempty"`
	// Port of the API on localhost.
	Port      *int                `json:"port,omitempty"`
	Image     string              `json:"image,omitempty"`
	Env       map[string]string   `json:"env,omitempty"`
	Resources *workload.Resources `json:"resources,omitempty"`
}

// Lease is a profile, or durations of one's own.
type Lease struct {
	Profile       string             `json:"profile,omitempty"`
	Duration      *workload.Duration `json:"duration,omitempty"`
	RenewDeadline *workload.Duration `json:"renew_deadline,omitempty"`
	RetryPeriod   *workload.Duration `json:"retry_period,omitempty"`
}

// Callbacks are requests to the main container.
type Callbacks struct {
	OnElected *Callback          `json:"on_elected,omitempty"`
	OnDemoted *Callback          `json:"on_demoted,omitempty"`
	Timeout   *workload.Duration `json:"timeout,omitempty"`
}

// Callback is a request to one of the main container's ports.
type Callback struct {
	Port string `json:"port"`
	Path string `json:"path,omitempty"`
}

// What an elector may rest on.
const (
	backendEngine = "engine"
	backendRaft   = "raft"
)

// profiles of leases by name: how long a leader may be silent.
var profiles = map[string]config.Lease{
	"fast":    {Duration: config.Duration(2e9)},
	"default": {Duration: config.Duration(5500e6)}, // so that another one leads within 6 s
}

// ContainerName of the elector.
const ContainerName = "elector"

// secretName of what such electors know each other by.
const secretName = "elector"

// Ports of an elector, which are fixed, but for that of its API.
const (
	managementPort   = "elector-mgmt"
	managementNumber = 9580
	raftPort         = "elector-raft"
	raftNumber       = 4041
	peerPort         = "elector-peer"
	peerNumber       = 4051
	relayPort        = "leader-" // and a number
	relayNumber      = 4060      // and the following
)

// Empty tells whether there is nothing to elect.
func (e *Elections) Empty() bool { return len(e.Elections) == 0 && len(e.Sets) == 0 }

func (e *Elections) elector() Elector {
	if e.Elector == nil {
		return Elector{}
	}
	return *e.Elector
}

func (e Elector) raft() bool { return e.Backend == backendRaft }

func (e Elector) port() int {
	if e.Port == nil {
		return config.Port
	}
	return *e.Port
}

// names of the elections, sorted.
func (e *Elections) names() []string { return slices.Sorted(maps.Keys(e.Elections)) }

// A relay leads to one port of the leader.
type relay struct {
	name, election, port string
	number, target       int
}

// relays for the elections that are exposed, by the ports of the main container.
func (e *Elections) relays(w *workload.Workload) (all []relay) {
	for _, name := range e.names() {
		if !e.Elections[name].ExposeLeader {
			continue
		}
		for _, port := range slices.Sorted(maps.Keys(w.Main.Ports)) {
			if p := w.Main.Ports[port]; p.Protocol == "" || p.Protocol == "tcp" {
				all = append(all, relay{name: name + "-" + port, election: name, port: port, number: relayNumber + len(all), target: p.Port})
			}
		}
	}
	return all
}

// Validate the elections of a workload, in the scope in which its containers were validated. Sidecars are its containers beside main,
// nil for those of the framework. Paths are those of the group's own attributes.
func (e *Elections) Validate(l *fault.List, w *workload.Workload, sidecars map[string]*workload.Container, scope *workload.Scope) {
	if e.Empty() {
		if e.Elector != nil {
			l.Add("elector", "there is nothing to elect: name elections, or election_sets")
		}
		return
	}
	is := e.elector()
	e.validateNames(l, w, sidecars)
	workload.OneOf(l, "elector.backend", is.Backend, "", backendEngine, backendRaft)
	image := is.Image
	if image == "" {
		image = "framework" // the provider's own is checked by the provider
	}
	c := workload.Container{Image: image, Env: is.Env, Resources: is.Resources}
	c.Validate(l, "elector", scope)
	e.validatePorts(l, w, scope)
	e.validateCallbacks(l, w)
	if is.raft() {
		validateRaft(l, w)
		if _, taken := w.Secrets[secretName]; taken {
			l.Add(fault.Key("secrets", secretName), "the electors make a secret of that name: choose another")
		}
	}
	if is.Lease != nil {
		workload.OneOf(l, "elector.lease.profile", is.Lease.Profile, append([]string{""}, slices.Sorted(maps.Keys(profiles))...)...)
		if is.Lease.Profile != "" && is.Lease.Duration != nil {
			l.AddNeeding([]string{"elector.lease.duration"}, "elector.lease.profile", "is one way to say how long the lease is, and duration another: remove one of them")
		}
	}
	file := e.config("instance", "", w)
	for _, f := range fault.Of(file.Validate()) {
		if at, needs := e.attribute(f.Path); at != "" {
			l.AddNeeding(needs, at, "%s", f.Message)
		}
	}
}

// attribute that a setting of the elector's file was made of; "" where that was said already, or is ours and not the user's.
func (e *Elections) attribute(where string) (at string, needs []string) {
	for i, name := range e.names() {
		if where == fault.At("elections", i) {
			return fault.Key("elections", name), nil
		}
	}
	switch {
	case where == "elections":
		return where, nil
	case strings.HasPrefix(where, "sets"):
		return "election_sets" + strings.TrimPrefix(where, "sets"), nil
	case strings.HasPrefix(where, "lease."):
		return "elector." + where, []string{"elector.lease"}
	case where == "callbacks.timeout":
		return "elector." + where, []string{"elector.lease"}
	case where == "campaign":
		return "elector." + where, nil
	}
	return "", nil
}

func (e *Elections) validateNames(l *fault.List, w *workload.Workload, sidecars map[string]*workload.Container) {
	if _, taken := sidecars[ContainerName]; taken {
		l.Add(fault.Key("sidecars", ContainerName), "the framework's elector has that name: choose another")
	}
	for i, c := range w.Init {
		if c.Name == ContainerName {
			l.Add(fault.At("init", i)+".name", "the framework's elector has that name: choose another")
		}
	}
	for _, v := range slices.Sorted(maps.Keys(w.Volumes)) {
		framework.Reserved(l, fault.Key("volumes", v), v)
	}
	reserved := func(at string, c *workload.Container) {
		for _, env := range []string{envElector, envMember} {
			if _, taken := c.Env[env]; taken {
				l.Add(fault.Key(at+".env", env), "every container beside an elector has that variable from the framework: choose another name")
			}
			if _, taken := c.SecretEnv[env]; taken {
				l.Add(fault.Key(at+".secret_env", env), "every container beside an elector has that variable from the framework: choose another name")
			}
		}
	}
	reserved("main", &w.Main)
	for _, k := range slices.Sorted(maps.Keys(sidecars)) {
		if c := sidecars[k]; c != nil {
			reserved(fault.Key("sidecars", k)+".container", c)
		}
	}
	for _, name := range e.names() {
		if e.Elections[name].ExposeLeader && len(e.relays(w)) == 0 {
			l.AddNeeding([]string{"main.ports"}, fault.Key("elections", name)+".expose_leader", "main has no TCP port that the leader could be reached at: name one in main.ports")
		}
	}
}

func (e *Elections) validatePorts(l *fault.List, w *workload.Workload, scope *workload.Scope) {
	scope.ClaimPort(l, "elector", "elector-api", e.elector().port(), "tcp")
	scope.ClaimPort(l, "elector", managementPort, managementNumber, "tcp")
	if e.elector().raft() {
		scope.ClaimPort(l, "elector.backend", raftPort, raftNumber, "tcp")
	}
	relays := e.relays(w)
	if len(relays) > 0 {
		scope.ClaimPort(l, "elector", peerPort, peerNumber, "tcp")
	}
	if len(relays) > config.MaxServices {
		l.Add("elections", "the leaders of the exposed elections would have %d ports, at most %d are possible: expose fewer, or fewer ports of main", len(relays), config.MaxServices)
		return
	}
	for i, r := range relays {
		scope.ClaimPort(l, fault.Key("elections", r.election)+".expose_leader", fmt.Sprint(relayPort, i), r.number, "tcp")
	}
}

func (e *Elections) validateCallbacks(l *fault.List, w *workload.Workload) {
	c := e.elector().Callbacks
	if c == nil {
		return
	}
	for at, b := range map[string]*Callback{"on_elected": c.OnElected, "on_demoted": c.OnDemoted} {
		if b == nil {
			continue
		}
		at := "elector.callbacks." + at
		if p, there := w.Main.Ports[b.Port]; !there || p.Protocol == "udp" {
			l.AddNeeding([]string{"main.ports"}, at+".port", "main has no TCP port %q (there are: %s)", b.Port, strings.Join(slices.Sorted(maps.Keys(w.Main.Ports)), ", "))
		}
		if b.Path != "" && !strings.HasPrefix(b.Path, "/") {
			l.Add(at+".path", "%q must begin with a slash", b.Path)
		}
	}
}

func validateRaft(l *fault.List, w *workload.Workload) {
	const why = "with backend = \"raft\" the electors are the members of a group that decides by majority"
	switch n := w.Replicas; {
	case n == nil:
		l.Add("replicas", "%s: say how many there are, an autoscaler cannot", why)
	case *n%2 == 0 || *n < minRaft || *n > maxRaft:
		l.Add("replicas", "%s: have an odd number from %d to %d, got %d; an even number survives no more failures than one less", why, minRaft, maxRaft, *n)
	}
	if w.Identity != "stable" {
		l.Add("identity", "%s, each of which exists once: set identity = \"stable\"", why)
	}
}

// The sizes of a group that decides by majority.
const (
	minRaft = 3
	maxRaft = 9
)

// Changes says what of a change needs a new instance: while one revision follows another, electors of both must agree.
func (e *Elections) Changes(former *Elections, w, was *workload.Workload) (replaced fault.List) {
	if e.Empty() || former.Empty() {
		return nil
	}
	switch {
	case e.elector().raft() != former.elector().raft():
		replaced.Add("elector.backend", "electors with different backends know nothing of each other, and each would elect a leader")
	case e.elector().raft() && w.Replicas != nil && was.Replicas != nil && *w.Replicas != *was.Replicas:
		replaced.Add("replicas", "with backend = \"raft\" they are the members of a group that decides by majority, which is formed once")
	}
	return replaced
}

// A Leader is who holds an election.
type Leader = config.Leader

// Leaders reads what electors share: see [config.Leaders].
func Leaders(records map[string][]byte) (leaders map[string]Leader, members []string) {
	return config.Leaders(records)
}
