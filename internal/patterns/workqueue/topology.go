package workqueue

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// QueueGroup is the group of the servers. Those of the workers are named as their stages.
const QueueGroup = "queue"

// Names of what the framework adds to a group. Those of volumes begin with a prefix that is the framework's own.
const (
	installer = "install-worker"

	binVolume       = framework.VolumePrefix + "bin"
	workVolume      = framework.VolumePrefix + "work"
	configVolume    = framework.VolumePrefix + "config"
	tokenVolume     = framework.VolumePrefix + "token"
	endpointsVolume = framework.VolumePrefix + "endpoints"
	dataVolume      = "data"
	clientVolume    = framework.VolumePrefix + "client"
	databaseVolume  = framework.VolumePrefix + "database"

	workerPort     = "worker"
	managementPort = "mgmt"
	// insidePort is the same port as the workers find it, where framework.HTTPPort is for outside.
	insidePort = "workers"
)

// Variables of the containers.
const (
	envConfig = "PATTERN_CONFIG"
	envIndex  = "PATTERN_INDEX"
)

// defaultResources of a server: its own bound is 64 MiB resident, and the kernel's cache of the store has its room.
var defaultResources = topology.Resources{
	Requests: topology.Amounts{MilliCPU: 100, MemoryBytes: 96 << 20},
	Limits:   topology.Amounts{MemoryBytes: 256 << 20},
}

// defaultStoreBytes of the embedded store.
const defaultStoreBytes = 10 << 30

// binBytes is room for the worker, twice: the new one is there before the old one goes.
const binBytes = 64 << 20

// Topology is one group of servers, and one of workers for each stage.
func (s *Spec) Topology(p patterns.Settings) *topology.Topology {
	all := workload.Workload{Secrets: s.Secrets}
	t := all.Topology(Name, s.Instance, nil, nil, nil)
	t.Groups, t.Configs = nil, nil
	t.Secrets = append(t.Secrets,
		topology.Secret{Name: ClientToken, Generate: map[string]int{tokenKey: 32}},
		topology.Secret{Name: WorkerToken, Generate: map[string]int{tokenKey: 32}},
	)
	s.addQueue(t, p)
	for _, name := range s.names() {
		s.addStage(t, name, p)
	}
	if s.Update != nil {
		for i := range t.Groups {
			t.Groups[i].Update.MinReadySeconds = s.Update.MinReady.Seconds()
		}
	}
	p.Apply(t)
	return t
}

// queueWorkload is the part of the server's group that every workload has.
func (s *Spec) queueWorkload() workload.Workload {
	w := workload.Workload{Identity: "stable", Volumes: map[string]workload.Volume{}}
	if s.postgres() == nil {
		e := Embedded{}
		if s.Store != nil && s.Store.Embedded != nil {
			e = *s.Store.Embedded
		}
		if e.Size == 0 && e.Existing == "" {
			e.Size = defaultStoreBytes
		}
		w.Volumes[dataVolume] = workload.Volume{Persistent: &workload.Persistent{Size: e.Size, Class: e.Class, Existing: e.Existing, DeleteWithInstance: e.DeleteWithInstance}}
	} else {
		w.Identity = ""
	}
	if q := s.Queue; q != nil {
		w.Main = workload.Container{Env: q.Env, SecretEnv: q.SecretEnv, Resources: q.Resources}
		w.Priority, w.Termination, w.Kubernetes, w.Nomad = q.Priority, q.Termination, q.Kubernetes, q.Nomad
	}
	w.Secrets = s.Secrets
	return w
}

// queueEnding is how a server ends.
func (s *Spec) queueEnding() topology.Termination {
	return framework.Ending(s.queueWorkload())
}

func (s *Spec) addQueue(t *topology.Topology, p patterns.Settings) {
	w := s.queueWorkload()
	made := w.Topology(Name, s.Instance, nil, nil, nil)
	g := made.Groups[0]
	g.Name = QueueGroup
	g.Replicas = new(1)
	if pg := s.postgres(); pg != nil {
		g.Replicas = new(max(1, pg.Servers))
	}
	g.Services = s.expose().Services(s.Name, apiPort, insidePort)
	g.Termination = s.queueEnding()
	var scaled []string
	for _, name := range s.names() {
		stage := s.Stages[name]
		if stage.scaled() {
			scaled = append(scaled, name)
		}
	}
	if len(scaled) > 0 {
		g.Grants = []topology.Grant{{Verb: topology.GrantScale, Names: scaled}}
	}

	c := &g.Containers[0]
	c.Origin, c.Framework, c.PullPolicy = "queue", true, p.PullPolicy
	if s.Queue != nil {
		c.Image = s.Queue.Image
	}
	if c.Image == "" {
		c.Image = p.Image("queue")
	}
	if w.Main.Resources == nil {
		c.Resources = defaultResources
	}
	c.Security = framework.Security()
	c.Env = append(c.Env, topology.Env{Name: envConfig, Value: configFolder + "/" + configFile})
	c.Ports = []topology.Port{{Name: framework.HTTPPort, Number: apiPort, Protocol: "tcp"}, {Name: managementPort, Number: queueManagementPort, Protocol: "tcp"}}
	c.Probes = framework.Probes(managementPort)

	config := QueueGroup + "-config"
	// The server takes a new configuration into use while it runs. An apply that waits must know that the report it reads
	// is of the new one: then the server starts anew, and its log with it.
	t.Configs = append(t.Configs, topology.Config{Name: config, Files: file(s.config()), Reload: !s.Wait})
	g.Volumes = append(g.Volumes,
		topology.Volume{Name: configVolume, Config: config},
		topology.Volume{Name: clientVolume, Secret: &topology.SecretVolume{Name: ClientToken, Own: true}},
		topology.Volume{Name: tokenVolume, Secret: &topology.SecretVolume{Name: WorkerToken, Own: true}},
	)
	c.Mounts = append(c.Mounts,
		topology.Mount{Volume: configVolume, Path: configFolder, ReadOnly: true},
		topology.Mount{Volume: clientVolume, Path: clientFolder, ReadOnly: true},
		topology.Mount{Volume: tokenVolume, Path: workerFolder, ReadOnly: true},
	)
	if pg := s.postgres(); pg != nil {
		_, own := s.Secrets[pg.URL.Secret]
		g.Volumes = append(g.Volumes, topology.Volume{Name: databaseVolume, Secret: &topology.SecretVolume{Name: pg.URL.Secret, Own: own}})
		c.Mounts = append(c.Mounts, topology.Mount{Volume: databaseVolume, Path: databaseFolder, ReadOnly: true})
	} else {
		c.Mounts = append(c.Mounts, topology.Mount{Volume: dataVolume, Path: dataFolder})
	}
	t.Groups = append(t.Groups, g)
}

// expose of the server; nil where the user says nothing.
func (s *Spec) expose() *framework.Expose {
	if s.Queue == nil {
		return nil
	}
	return s.Queue.Expose
}

// workload of a stage, as if its container were the only one.
func (s *Stage) workload(secrets map[string]workload.SecretSet) workload.Workload {
	return workload.Workload{
		Main: s.Container, Init: s.Init, Identity: "stable", Volumes: s.Volumes, Secrets: secrets,
		Priority: s.Priority, Spread: s.Spread, Termination: s.Termination, Kubernetes: s.Kubernetes, Nomad: s.Nomad,
	}
}

// replicas of a stage; nil where the queue asks for as many as there is work.
func (s *Stage) replicas() *int {
	if least, _ := s.bounds(); !s.scaled() {
		return &least
	}
	return nil
}

func (s *Spec) addStage(t *topology.Topology, name string, p patterns.Settings) {
	stage := s.Stages[name]
	at := fault.Key("stages", name)
	w := stage.workload(s.Secrets)
	w.Main.Ports = withWorkerPort(w.Main.Ports) // so that companions choose others
	parts := stage.Sidecars.Parts(Name, at+".sidecars", s.Instance, &w, p)
	made := w.Topology(Name, s.Instance, parts.Containers, parts.Volumes, parts.Configs)
	g := made.Groups[0]
	g.Name = name
	g.Replicas = stage.replicas()

	// Configurations are the instance's, so their names begin with the stage's.
	for i := range made.Configs {
		made.Configs[i].Name = name + "-" + made.Configs[i].Name
	}
	for i := range g.Volumes {
		if v := &g.Volumes[i]; v.Config != "" {
			v.Config = name + "-" + v.Config
		}
	}
	config := name + "-worker"
	t.Configs = append(append(t.Configs, made.Configs...), topology.Config{Name: config, Files: file(s.workerConfig(name))})
	g.Volumes = append(g.Volumes,
		topology.Volume{Name: binVolume, Ephemeral: &topology.EphemeralVolume{SizeBytes: binBytes}},
		topology.Volume{Name: workVolume, Ephemeral: &topology.EphemeralVolume{SizeBytes: int64(stage.WorkSize)}},
		topology.Volume{Name: configVolume, Config: config},
		topology.Volume{Name: tokenVolume, Secret: &topology.SecretVolume{Name: WorkerToken, Own: true}},
		topology.Volume{Name: endpointsVolume, Endpoints: []topology.EndpointFile{{File: endpointsFile, Service: s.Name, Port: s.expose().InsidePort(insidePort)}}},
	)

	install := topology.Container{
		Name: installer, Origin: at, Role: topology.Init, Framework: true,
		Image: p.Image("worker"), PullPolicy: p.PullPolicy, Args: []string{"install", binFolder},
		Mounts:    []topology.Mount{{Volume: binVolume, Path: binFolder}},
		Resources: topology.Resources{Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 16 << 20}, Limits: topology.Amounts{MemoryBytes: 64 << 20}},
		Security:  framework.Security(),
	}
	g.Containers = append([]topology.Container{install}, g.Containers...)
	for i := range g.Containers {
		c := &g.Containers[i]
		switch {
		case c.Name == workload.MainName:
			c.Origin = at
			workerMain(c)
		case c.Origin != "" && c.Role == topology.Init && c.Name != installer:
			c.Origin = at + "." + c.Origin
		}
	}
	w.Replicas, w.Main.Ports = g.Replicas, stage.Ports
	stage.Elections.AddTo(t, &g, &w, at, p)
	t.Groups = append(t.Groups, g)
}

// workerMain makes the worker the entry point of the developer's container.
func workerMain(c *topology.Container) {
	c.Command, c.Args = []string{binFolder + "/worker"}, nil
	c.Env = append(c.Env,
		topology.Env{Name: envConfig, Value: configFolder + "/" + configFile},
		topology.Env{Name: envIndex, Field: topology.FieldIndex},
	)
	c.Probes = framework.Probes(workerPort)
	c.Mounts = append(c.Mounts,
		topology.Mount{Volume: binVolume, Path: binFolder, ReadOnly: true},
		topology.Mount{Volume: workVolume, Path: workFolder},
		topology.Mount{Volume: configVolume, Path: configFolder, ReadOnly: true},
		topology.Mount{Volume: tokenVolume, Path: tokenFolder, ReadOnly: true},
		topology.Mount{Volume: endpointsVolume, Path: endpointsFolder, ReadOnly: true},
	)
}

func withWorkerPort(in map[string]workload.Port) map[string]workload.Port {
	out := map[string]workload.Port{workerPort: {Port: workerManagementPort}}
	for k, v := range in {
		out[k] = v
	}
	return out
}
