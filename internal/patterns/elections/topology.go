package elections

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// What the elector brings to a group.
const (
	configVolume = framework.VolumePrefix + "elector"
	configFolder = "/etc/pattern"
	configFile   = "config.json"

	// Variables of the containers beside it: where its API is, and what it calls their replica.
	envElector = "PATTERN_ELECTOR"
	envMember  = "PATTERN_MEMBER"
	envConfig  = "PATTERN_CONFIG"
	envPeer    = "PATTERN_PEER"
	envRaft    = "PATTERN_RAFT"
	envIndex   = "PATTERN_INDEX"

	// What electors that replicate their records need: where the others are, a folder, and what they know each other by.
	peersVolume  = framework.VolumePrefix + "electors"
	peersFolder  = "/etc/pattern-electors"
	peersFile    = "electors"
	dataVolume   = framework.VolumePrefix + "elections"
	dataFolder   = "/var/lib/pattern"
	dataBytes    = 256 << 20
	secretVolume = framework.VolumePrefix + "elector-secret"
	secretFolder = "/etc/pattern-secret"
	secretKey    = "secret"

	// program of the image.
	program = "/ko-app/elector"
)

// defaultResources of an elector: a small share of CPU without a limit, since a leader that waits for its turn loses its lease.
var defaultResources = topology.Resources{
	Requests: topology.Amounts{MilliCPU: 20, MemoryBytes: 32 << 20},
	Limits:   topology.Amounts{MemoryBytes: 96 << 20},
}

// slots for a number of replicas, for those that come while others go among them. It changes seldom when the number does, since
// each change is a new revision.
func slots(replicas *int) int {
	const fewest, unknown = 8, 32
	if replicas == nil {
		return unknown
	}
	n := fewest
	for n < 2**replicas && n < config.MaxSlots {
		n *= 2
	}
	return n
}

// AddTo the group of a workload what elects among its replicas. The group's name is a part of what they share, where an instance
// has more than one; at is where the group was written, "" for the instance itself.
func (e *Elections) AddTo(t *topology.Topology, g *topology.Group, w *workload.Workload, at string, p patterns.Settings) {
	if e.Empty() {
		return
	}
	is := e.elector()
	file := e.config(t.Name, prefix(g), w)
	raw, err := json.Marshal(file)
	if err != nil { // plain data
		panic(err)
	}
	name := configVolume
	if at != "" {
		name = g.Name + "-" + configVolume
	}
	t.Configs = append(t.Configs, topology.Config{Name: name, Files: map[string]string{configFile: string(raw) + "\n"}})
	g.Volumes = append(g.Volumes, topology.Volume{Name: configVolume, Config: name})
	c := topology.Container{
		Name: ContainerName, Origin: fault.Join(at, "elector"), Role: topology.Companion, Framework: true, Image: is.Image, PullPolicy: p.PullPolicy,
		Env:       append(workload.Env(is.Env, nil, nil), topology.Env{Name: envConfig, Value: configFolder + "/" + configFile}, topology.Env{Name: envMember, Field: topology.FieldName}),
		Ports:     []topology.Port{{Name: managementPort, Number: managementNumber, Protocol: "tcp"}},
		Mounts:    []topology.Mount{{Volume: configVolume, Path: configFolder, ReadOnly: true}},
		Resources: defaultResources, Security: framework.Security(),
		// It has started when it takes part, which a new replica does before it counts. No readiness probe: the replica serves while
		// the backend is away.
		Probes: topology.Probes{
			Startup:  &topology.Probe{HTTP: &topology.HTTPAction{Port: managementPort, Path: "/health/startup"}, PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 120},
			Liveness: &topology.Probe{HTTP: &topology.HTTPAction{Port: managementPort, Path: "/health/live"}, PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6},
		},
		// Seats are handed over before main is asked to end.
		Hooks: topology.Hooks{PreStop: &topology.Hook{Exec: []string{program, "leave"}}},
	}
	if c.Image == "" {
		c.Image = p.Image("elector")
	}
	if is.Resources != nil {
		c.Resources = is.Resources.Topology()
	}
	// The hook and main's own end begin at once: main is given the moment that handing over takes.
	g.Termination.DrainSeconds = max(g.Termination.DrainSeconds, 1)
	if is.raft() {
		addRaft(t, g, &c)
	} else {
		g.Grants = append(g.Grants, topology.Grant{Verb: topology.GrantElect, Names: file.Records()})
	}
	e.addRelays(t, g, &c, w)
	for i := range g.Containers {
		if beside := &g.Containers[i]; !beside.Framework && beside.Role != topology.Init {
			beside.Env = append(beside.Env,
				topology.Env{Name: envElector, Value: fmt.Sprintf("http://127.0.0.1:%d", is.port())}, topology.Env{Name: envMember, Field: topology.FieldName})
		}
	}
	first := slices.IndexFunc(g.Containers, func(c topology.Container) bool { return c.Role != topology.Init })
	g.Containers = slices.Insert(g.Containers, first, c)
}

// addRaft is how electors find, trust and remember each other.
func addRaft(t *topology.Topology, g *topology.Group, c *topology.Container) {
	service := topology.Service{
		Name: t.Name + "-" + prefix(g) + "electors", Exposure: topology.ExposeCluster, Headless: true, Unready: true,
		Ports: []topology.ServicePort{{Name: raftPort, Port: raftNumber, Target: raftPort}},
	}
	g.Services = append(g.Services, service)
	if !slices.ContainsFunc(t.Secrets, func(s topology.Secret) bool { return s.Name == secretName }) {
		t.Secrets = append(t.Secrets, topology.Secret{Name: secretName, Generate: map[string]int{secretKey: 32}})
	}
	g.Volumes = append(g.Volumes,
		topology.Volume{Name: peersVolume, Endpoints: []topology.EndpointFile{{File: peersFile, Service: service.Name, Port: raftPort}}},
		topology.Volume{Name: dataVolume, Ephemeral: &topology.EphemeralVolume{SizeBytes: dataBytes}},
		topology.Volume{Name: secretVolume, Secret: &topology.SecretVolume{Name: secretName, Own: true}},
	)
	c.Ports = append(c.Ports, topology.Port{Name: raftPort, Number: raftNumber, Protocol: "tcp"})
	c.Env = append(c.Env, topology.Env{Name: envRaft, Field: topology.FieldReached, Port: raftPort}, topology.Env{Name: envIndex, Field: topology.FieldIndex})
	c.Mounts = append(c.Mounts,
		topology.Mount{Volume: peersVolume, Path: peersFolder, ReadOnly: true},
		topology.Mount{Volume: dataVolume, Path: dataFolder},
		topology.Mount{Volume: secretVolume, Path: secretFolder, ReadOnly: true},
	)
}

// addRelays are Services that reach every replica, whose elector forwards to the leader.
func (e *Elections) addRelays(t *topology.Topology, g *topology.Group, c *topology.Container, w *workload.Workload) {
	relays := e.relays(w)
	if len(relays) == 0 {
		return
	}
	c.Ports = append(c.Ports, topology.Port{Name: peerPort, Number: peerNumber, Protocol: "tcp"})
	c.Env = append(c.Env, topology.Env{Name: envPeer, Field: topology.FieldReached, Port: peerPort})
	services := map[string]*topology.Service{}
	for i, r := range relays {
		name := fmt.Sprint(relayPort, i)
		c.Ports = append(c.Ports, topology.Port{Name: name, Number: r.number, Protocol: "tcp"})
		s := services[r.election]
		if s == nil {
			s = &topology.Service{Name: t.Name + "-" + prefix(g) + r.election, Role: prefix(g) + r.election, Exposure: topology.ExposeCluster}
			services[r.election] = s
		}
		s.Ports = append(s.Ports, topology.ServicePort{Name: r.port, Port: r.target, Target: name})
	}
	for _, name := range e.names() {
		if s := services[name]; s != nil {
			g.Services = append(g.Services, *s)
		}
	}
}

// prefix of what the electors of a group share, where it is not the instance's only one.
func prefix(g *topology.Group) string {
	if g.Name == workload.MainName {
		return ""
	}
	return g.Name + "-"
}

// config is the file that the elector reads.
func (e *Elections) config(instance, prefix string, w *workload.Workload) *config.Config {
	is := e.elector()
	c := &config.Config{
		Listen: fmt.Sprintf("127.0.0.1:%d", is.port()), Member: "${" + envMember + "}", Elections: e.names(), Slots: slots(w.Replicas), Campaign: is.Campaign,
		Backend: config.Backend{Engine: &config.Engine{Instance: instance, Prefix: prefix}},
	}
	c.Management.Address = fmt.Sprintf(":%d", managementNumber)
	c.Lifecycle.Grace = config.Duration(framework.Grace(w.Ending()))
	for name, s := range e.Sets {
		if c.Sets == nil {
			c.Sets = map[string]int{}
		}
		c.Sets[name] = s.Shards
	}
	if l := is.Lease; l != nil {
		c.Lease = profiles[l.Profile]
		c.Lease.RenewDeadline, c.Lease.RetryPeriod = duration(l.RenewDeadline), duration(l.RetryPeriod)
		if l.Duration != nil {
			c.Lease.Duration = duration(l.Duration)
		}
	}
	if b := is.Callbacks; b != nil {
		c.Callbacks = config.Callbacks{OnElected: b.OnElected.url(w), OnDemoted: b.OnDemoted.url(w), Timeout: duration(b.Timeout)}
	}
	if is.raft() {
		c.Backend = config.Backend{Raft: &config.Raft{
			Listen: fmt.Sprintf(":%d", raftNumber), Advertise: "${" + envRaft + "}", Slot: "${" + envIndex + "}",
			Peers: peersFolder + "/" + peersFile, DataDir: dataFolder, SecretFile: secretFolder + "/" + secretKey,
		}}
		if w.Replicas != nil {
			c.Backend.Raft.Size = *w.Replicas
		}
	}
	c.Application = application(w)
	for _, r := range e.relays(w) {
		if c.Relay.Services == nil {
			c.Relay.Services, c.Relay.Peer, c.Address = map[string]config.Service{}, fmt.Sprintf(":%d", peerNumber), "${"+envPeer+"}"
		}
		c.Relay.Services[r.name] = config.Service{Election: r.election, Listen: fmt.Sprintf(":%d", r.number), Target: fmt.Sprintf("127.0.0.1:%d", r.target)}
	}
	c.SetDefaults()
	return c
}

// application is asked what main's readiness probe asks; nil where that is a command, or there is none.
func application(w *workload.Workload) *config.Application {
	if w.Main.Probes == nil || w.Main.Probes.Readiness == nil {
		return nil
	}
	p := w.Main.Probes.Readiness
	a := &config.Application{Period: duration(p.Period), Timeout: duration(p.Timeout), Failures: p.FailureThreshold}
	switch {
	case p.HTTP != nil && (p.HTTP.Scheme == "" || p.HTTP.Scheme == "http"):
		path := p.HTTP.Path
		if path == "" {
			path = "/"
		}
		a.URL = fmt.Sprintf("http://127.0.0.1:%d%s", w.Main.Ports[p.HTTP.Port].Port, path)
	case p.HTTP != nil: // whose certificate is nobody's business here
		a.TCP = fmt.Sprintf("127.0.0.1:%d", w.Main.Ports[p.HTTP.Port].Port)
	case p.TCP != nil:
		a.TCP = fmt.Sprintf("127.0.0.1:%d", w.Main.Ports[p.TCP.Port].Port)
	default:
		return nil
	}
	return a
}

// url of a callback on localhost.
func (b *Callback) url(w *workload.Workload) string {
	if b == nil {
		return ""
	}
	path := b.Path
	if path == "" {
		path = "/"
	}
	return fmt.Sprintf("http://127.0.0.1:%d%s", w.Main.Ports[b.Port].Port, path)
}

// duration of an attribute that may not be given; zero leaves it to the elector's default.
func duration(d *workload.Duration) config.Duration {
	if d == nil {
		return 0
	}
	return config.Duration(*d)
}
