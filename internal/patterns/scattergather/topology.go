package scattergather

import (
	"strconv"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Names of what the framework adds to a group. Those of volumes begin with a prefix that is the framework's own.
const (
	configVolume    = framework.VolumePrefix + "config"
	endpointsVolume = framework.VolumePrefix + "endpoints"

	managementPort = "mgmt"
	// insidePort is the same port for clients within the cluster, where framework.HTTPPort is for those outside.
	insidePort = "inside"
	// ChildPort is that of the Services by which gatherers find leaves and parents.
	ChildPort = "child"
)

// Variables of a leaf's containers.
const (
	envShard    = "PATTERN_SHARD"
	envShards   = "PATTERN_SHARDS"
	envReplica  = "PATTERN_REPLICA"
	envInstance = "PATTERN_INSTANCE"
	envConfig   = "PATTERN_CONFIG"
)

// defaultResources of a gatherer, which holds the parts of the answers that it works on.
var defaultResources = topology.Resources{
	Requests: topology.Amounts{MilliCPU: 100, MemoryBytes: 64 << 20},
	Limits:   topology.Amounts{MemoryBytes: 512 << 20},
}

// Topology is a group of leaves for each shard, one for each parent, and one for the root.
//
// Whatever makes a tree another one is in the names of its groups, and of the files that its gatherers read: the old tree
// answers from its own groups, by its own files, until the new one is ready.
func (s *Spec) Topology(p patterns.Settings) *topology.Topology {
	all := workload.Workload{Secrets: s.Secrets}
	t := all.Topology(Name, s.Instance, nil, nil, nil)
	t.Groups, t.Configs = nil, nil
	tree := newTree(s.shards(), s.fanOut())
	s.addMergeConfigs(t)
	merges := len(t.Configs)
	for level := range tree.depth() {
		for index := range tree.levels[level] {
			s.addGatherer(t, tree, level, index, p)
		}
	}
	bound(t.Configs[merges:])
	if s.Leaf != nil {
		s.addLeaves(t, tree, p)
	}
	if s.Update != nil {
		for i := range t.Groups {
			t.Groups[i].Update.MinReadySeconds = s.Update.MinReady.Seconds()
		}
	}
	p.Apply(t)
	return t
}

// reloadBytes of all gatherers' files fit twice, of an old tree and a new one, into the one Nomad variable that holds what
// is read while its readers run.
const reloadBytes = 20 << 10

// bound lets only the root, whose file comes first, take changes into use while it runs, where the tree is so large that the
// files of all would not fit. Then a change of policy is a new revision of the parents.
func bound(files []topology.Config) {
	total := 0
	for _, c := range files {
		total += len(c.Files[configFile])
	}
	for i := 1; i < len(files); i++ {
		files[i].Reload = total <= reloadBytes
	}
}

// gathererWorkload is the part of a gatherer's group that every workload has.
func (s *Spec) gathererWorkload(level int) workload.Workload {
	r := s.root()
	w := workload.Workload{
		Main:     workload.Container{Image: r.Image, Env: r.Env, SecretEnv: r.SecretEnv, Resources: r.Resources},
		Replicas: new(s.rootReplicas()), Secrets: s.Secrets, Priority: r.Priority, Spread: r.Spread,
		Termination: r.Termination, Kubernetes: r.Kubernetes, Nomad: r.Nomad,
	}
	if level > 0 {
		w.Replicas = new(s.parentReplicas())
		if s.Parents != nil && s.Parents.Resources != nil {
			w.Main.Resources = s.Parents.Resources
		}
	}
	if c := s.mergeContainer(); c != nil {
		w.Volumes = c.Volumes
	}
	return w
}

// gathererEnding is how a gatherer ends.
func (s *Spec) gathererEnding() topology.Termination { return framework.Ending(s.gathererWorkload(0)) }

func (s *Spec) addGatherer(t *topology.Topology, tree *tree, level, index int, p patterns.Settings) {
	w := s.gathererWorkload(level)
	var companions []topology.Container
	if c := s.mergeContainer(); c != nil {
		companions = append(companions, c.Topology(mergeContainer, mergeContainerOrigin, topology.Companion, s.Secrets))
	}
	g := w.Topology(Name, s.Instance, companions, nil, nil).Groups[0]
	g.Name = tree.group(level, index)
	g.Termination = framework.Ending(w)
	for i := range g.Volumes {
		if v := &g.Volumes[i]; v.Config != "" {
			v.Config = mergeConfig(v.Config)
		}
	}
	g.Services = s.root().Expose.Services(s.Name, httpNumber, insidePort)
	if level > 0 {
		g.Services = []topology.Service{s.childService(g.Name, framework.HTTPPort, httpNumber)}
	}

	c := &g.Containers[len(g.Containers)-1]
	c.Origin, c.Framework, c.PullPolicy = RootGroup, true, p.PullPolicy
	if level > 0 {
		c.Origin = "parents"
	}
	if c.Image == "" {
		c.Image = p.Image("gatherer")
	}
	if w.Main.Resources == nil {
		c.Resources = defaultResources
	}
	c.Security = framework.Security()
	c.Env = append(c.Env, topology.Env{Name: envConfig, Value: configFolder + "/" + configFile})
	c.Ports = []topology.Port{{Name: framework.HTTPPort, Number: httpNumber, Protocol: "tcp"}, {Name: managementPort, Number: managementNumber, Protocol: "tcp"}}
	c.Probes = framework.Probes(managementPort)

	config := s.config(tree, level, index)
	digest := fixed(config)
	name := g.Name + "-" + digest
	t.Configs = append(t.Configs, topology.Config{Name: name, Files: file(config), Reload: true})
	g.Volumes = append(g.Volumes, topology.Volume{Name: configVolume, Config: name})
	c.Mounts = append(c.Mounts, topology.Mount{Volume: configVolume, Path: configFolder, ReadOnly: true})
	if files := s.endpoints(tree, level, index); len(files) > 0 {
		volume := endpointsVolume + "-" + digest
		g.Volumes = append(g.Volumes, topology.Volume{Name: volume, Endpoints: files})
		c.Mounts = append(c.Mounts, topology.Mount{Volume: volume, Path: endpointsFolder, ReadOnly: true})
	}
	t.Groups = append(t.Groups, g)
}

// endpoints are a file for each child of a gatherer; none for targets.
func (s *Spec) endpoints(tree *tree, level, index int) (files []topology.EndpointFile) {
	first, last := tree.children(level, index)
	for i := first; i < last; i++ {
		switch {
		case level+1 < tree.depth():
			name := tree.group(level+1, i)
			files = append(files, topology.EndpointFile{File: name, Service: s.childName(name), Port: ChildPort, Watch: true})
		case s.Leaf != nil:
			name := tree.leafGroup(i)
			files = append(files, topology.EndpointFile{File: name, Service: s.childName(name), Port: ChildPort, Watch: true})
		}
	}
	return files
}

// childName is the name of the Service of a group that gatherers ask.
func (s *Spec) childName(group string) string { return s.Name + "-" + group }

func (s *Spec) childService(group, target string, number int) topology.Service {
	return topology.Service{
		Name: s.childName(group), Exposure: topology.ExposeCluster, Headless: true,
		Ports: []topology.ServicePort{{Name: ChildPort, Port: number, Target: target}},
	}
}

// mergeContainer is the developer's, with its port; nil where the gatherer merges by itself.
func (s *Spec) mergeContainer() *MergeContainer {
	if s.Merge == nil || s.Merge.Container == nil {
		return nil
	}
	c := *s.Merge.Container
	c.Ports = map[string]workload.Port{mergePort: {Port: c.Port}}
	return &c
}

// mergeConfig is the name in the instance of a config of the merge container.
func mergeConfig(volume string) string { return "merge-" + volume }

// addMergeConfigs once: all gatherers have the same.
func (s *Spec) addMergeConfigs(t *topology.Topology) {
	w := s.gathererWorkload(0)
	for _, c := range w.Topology(Name, s.Instance, nil, nil, nil).Configs {
		c.Name = mergeConfig(c.Name)
		t.Configs = append(t.Configs, c)
	}
}

// leafWorkload is a leaf as if its shard were the only one.
func (s *Spec) leafWorkload() workload.Workload {
	l := s.Leaf
	return workload.Workload{
		Main: l.Container, Init: l.Init, Replicas: new(l.replicas()), Identity: l.Identity, Volumes: l.Volumes, Secrets: s.Secrets,
		Priority: l.Priority, Spread: l.Spread, Termination: l.Termination, Kubernetes: l.Kubernetes, Nomad: l.Nomad,
	}
}

func (s *Spec) addLeaves(t *topology.Topology, tree *tree, p patterns.Settings) {
	for shard := range tree.shards {
		w := s.leafWorkload()
		parts := s.Leaf.Sidecars.Parts(Name, "leaf.sidecars", s.Instance, &w, p)
		made := w.Topology(Name, s.Instance, parts.Containers, parts.Volumes, parts.Configs)
		g := made.Groups[0]
		g.Name = tree.leafGroup(shard)
		g.Termination = framework.Ending(w)
		port := s.Leaf.port()
		g.Services = []topology.Service{s.childService(g.Name, port, w.Main.Ports[port].Port)}
		if shard == 0 { // configurations are the instance's, and all shards have the same
			for _, c := range made.Configs {
				c.Name = "leaf-" + c.Name
				t.Configs = append(t.Configs, c)
			}
		}
		for i := range g.Volumes {
			if v := &g.Volumes[i]; v.Config != "" {
				v.Config = "leaf-" + v.Config
			}
		}
		for i := range g.Containers {
			c := &g.Containers[i]
			switch {
			case c.Name == workload.MainName:
				c.Origin = "leaf"
			case c.Role == topology.Init && !c.Framework:
				c.Origin = fault.Join("leaf", c.Origin)
			}
			if !c.Framework {
				c.Env = append(c.Env, s.leafEnv(shard)...)
			}
		}
		s.Leaf.Elections.AddTo(t, &g, &w, "leaf", p)
		t.Groups = append(t.Groups, g)
	}
}

// leafEnv tells the containers of a leaf which it is.
func (s *Spec) leafEnv(shard int) []topology.Env {
	replica := topology.Env{Name: envReplica, Field: topology.FieldReplica}
	if s.Leaf.Identity == stable {
		replica.Field = topology.FieldIndex
	}
	return []topology.Env{
		{Name: envShard, Value: strconv.Itoa(shard)},
		{Name: envShards, Value: strconv.Itoa(s.Leaf.Shards)},
		replica,
		{Name: envInstance, Value: s.Name},
	}
}
