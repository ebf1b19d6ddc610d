package scattergather

import (
	"maps"
	"slices"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// ofShards are the attributes that say how many shards there are.
var ofShards = []string{"leaf.shards", "targets"}

// Validate returns every fault of the spec.
func (s *Spec) Validate() fault.List {
	var l fault.List
	s.Instance.Validate(&l)
	framework.ValidateSecrets(&l, s.Secrets)
	if (s.Leaf == nil) == (s.Targets == nil) {
		l.AddNeeding([]string{"leaf", "targets"}, "leaf", "exactly one of leaf, targets must be set: containers of yours that answer for a shard each, or services that are there already")
	}
	if s.Leaf != nil {
		s.validateLeaf(&l)
	}
	if s.Targets != nil {
		s.validateTargets(&l)
	}
	if n := s.fanOut(); n < leastFanOut {
		l.Add("fan_out", "must be at least %d, got %d: a tree of gatherers with fewer children would never end", leastFanOut, n)
	}
	s.validateGatherers(&l)
	s.root().Expose.Validate(&l, "root.expose")
	s.validateNumbers(&l)
	s.validateHedge(&l)
	s.validateConfig(&l)
	return l
}

// validateConfig is what the gatherer itself would refuse. It is asked as if one had all shards for children.
func (s *Spec) validateConfig(l *fault.List) {
	shards := s.shards()
	c := s.config(newTree(shards, max(shards, leastFanOut)), 0, 0)
	c.SetDefaults()
	for _, f := range fault.Of(c.Validate()) {
		at, needs := s.written(f.Path)
		if at == "" || at == "policy.require" && shards == 0 {
			continue
		}
		l.AddNeeding(needs, at, "%s", f.Message)
	}
}

// written is the attribute that a path of the gatherer's configuration comes from, and what else it rests on; "" if it is
// none of the user's, or is judged elsewhere.
func (s *Spec) written(where string) (at string, needs []string) {
	switch where {
	case "policy.cache.bytes":
		return "policy.cache.size", nil
	case "policy.require":
		return where, ofShards
	case "policy.hedge.after", "policy.reserve":
		return where, []string{"policy.deadline"}
	case "merge.container.url":
		if !strings.HasPrefix(s.Merge.Container.path(), "/") {
			return "", nil // see MergeContainer.validate
		}
		return "merge.container.path", []string{"merge.container.port"}
	}
	if rest, ok := strings.CutPrefix(where, "limits."); ok {
		return "limits." + strings.Replace(rest, "_bytes", "_size", 1), nil
	}
	for _, same := range []string{"merge", "policy.", "tracing."} {
		if strings.HasPrefix(where, same) {
			return where, nil
		}
	}
	for i, name := range s.targetNames() {
		if where == fault.At("children", i)+".url" {
			return fault.Key("targets", name) + ".url", nil
		}
	}
	return "", nil
}

func (s *Spec) validateLeaf(l *fault.List) {
	leaf := s.Leaf
	if leaf.Shards < 1 || leaf.Shards > maxShards {
		l.Add("leaf.shards", "must be 1 to %d, got %d", maxShards, leaf.Shards)
	}
	if leaf.replicas() < 1 {
		l.Add("leaf.replicas", "must be at least 1, got %d", leaf.replicas())
	}
	w := s.leafWorkload()
	scope := w.Scope()
	var own fault.List
	w.Validate(&own, scope)
	leaf.Sidecars.Validate(&own, "sidecars", &w, scope)
	own = slices.DeleteFunc(own, func(f fault.Fault) bool { return f.Path == "replicas" })
	leaf.Elections.Validate(&own, &w, leaf.Sidecars.Containers(), scope)
	reserved := func(at string, c *workload.Container) {
		for _, env := range []string{envShard, envShards, envReplica, envInstance} {
			if _, taken := c.Env[env]; taken {
				own.Add(fault.Key(at+".env", env), "every container of a leaf has that variable from the framework: choose another name")
			}
			if _, taken := c.SecretEnv[env]; taken {
				own.Add(fault.Key(at+".secret_env", env), "every container of a leaf has that variable from the framework: choose another name")
			}
		}
	}
	reserved("main", &leaf.Container)
	for _, k := range slices.Sorted(maps.Keys(leaf.Sidecars)) {
		if c := leaf.Sidecars[k].Container; c != nil {
			reserved(fault.Key("sidecars", k)+".container", c)
		}
	}
	for i := range leaf.Init {
		reserved(fault.At("init", i), &leaf.Init[i].Container)
	}
	*l = append(*l, framework.Below("leaf", framework.WithoutSecrets(own))...)

	names := strings.Join(slices.Sorted(maps.Keys(leaf.Ports)), ", ")
	port, there := leaf.Ports[leaf.port()]
	switch {
	case len(leaf.Ports) == 0:
		l.Add("leaf.ports", "must name the port that requests come to")
	case leaf.Port == "" && len(leaf.Ports) > 1:
		l.AddNeeding([]string{"leaf.ports"}, "leaf.port", "must name the port that requests come to: there are %s", names)
	case !there:
		l.AddNeeding([]string{"leaf.ports"}, "leaf.port", "the container has no port %q (there are: %s)", leaf.Port, names)
	case port.Protocol != "" && port.Protocol != "tcp":
		l.AddNeeding([]string{"leaf.ports"}, "leaf.port", "requests come by HTTP over TCP, and the port %q is of %s", leaf.port(), port.Protocol)
	}
	workload.OneOf(l, "leaf.protocol", leaf.Protocol, "", "http1", "h2c")
}

func (s *Spec) validateTargets(l *fault.List) {
	if n := len(s.Targets); n < 1 || n > maxShards {
		l.Add("targets", "must be 1 to %d, got %d", maxShards, n)
	}
	for _, name := range s.targetNames() {
		const most = 40 // it is in headers, and in the labels of metrics
		workload.Name(l, fault.Key("targets", name), name, most)
	}
}

// validateGatherers: the root, the parents, and the merge container beside them.
func (s *Spec) validateGatherers(l *fault.List) {
	for level, at := range []string{"root", "parents"} {
		w := s.gathererWorkload(level)
		if *w.Replicas < 1 && (level == 0 || s.Parents != nil && s.Parents.Replicas != nil) {
			l.Add(at+".replicas", "must be at least 1, got %d", *w.Replicas)
		}
		w.Replicas = nil
		if w.Main.Image == "" {
			w.Main.Image = "framework" // the provider's own is checked by the provider
		}
		if level > 0 { // what differs from the root
			if s.Parents != nil {
				s.Parents.Resources.Validate(l, "parents.resources")
			}
			continue
		}
		w.Replicas = new(max(s.rootReplicas(), s.parentReplicas()))
		scope := w.Scope()
		var own fault.List
		w.Validate(&own, scope)
		for _, f := range framework.WithoutSecrets(own) {
			switch {
			case strings.HasPrefix(f.Path, "volumes"):
				*l = append(*l, framework.Below("merge.container", fault.List{f})...)
			default:
				*l = append(*l, framework.Below(at, fault.List{f})...)
			}
		}
		if _, taken := s.root().Env[envConfig]; taken {
			l.Add(fault.Key("root.env", envConfig), "the gatherer has that variable: choose another name")
		}
		if c := s.mergeContainer(); c != nil {
			c.validate(l, scope)
		}
	}
}

func (c *MergeContainer) validate(l *fault.List, scope *workload.Scope) {
	const at = "merge.container"
	if c.Port == httpNumber || c.Port == managementNumber {
		l.Add(at+".port", "%d is the gatherer's own, and they share localhost: let the container listen on another", c.Port)
	}
	var own fault.List
	c.Container.Validate(&own, at, scope)
	for _, f := range own {
		if f.Path == fault.Key(at+".ports", mergePort)+".port" {
			f.Path = at + ".port"
		}
		*l = append(*l, f)
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		l.Add(at+".path", "must begin with a slash, got %q", c.Path)
	}
	for k := range c.Volumes {
		framework.Reserved(l, fault.Key(at+".volumes", k), k)
	}
}

// validateHedge: a hedge needs another replica to go to. Behind the address of a target there may be any number.
func (s *Spec) validateHedge(l *fault.List) {
	if s.Policy == nil || s.Policy.Hedge == nil || s.Leaf == nil || s.Leaf.replicas() != 1 {
		return
	}
	l.AddNeeding([]string{"leaf.replicas"}, "policy.hedge", "a hedge goes to another replica, and each shard has one: set leaf.replicas to 2 or more, or remove it")
}

// validateNumbers that are given and are zero: the gatherer would take its default for them.
func (s *Spec) validateNumbers(l *fault.List) {
	positive := func(at string, given, zero bool) {
		if given && zero {
			l.Add(at, "must be greater than 0, got 0: leave it out for the default")
		}
	}
	if p := s.Policy; p != nil {
		positive("policy.deadline", p.Deadline != nil, orElse(p.Deadline, 0) == 0)
		positive("policy.concurrency", p.Concurrency != nil, orElse(p.Concurrency, 0) == 0)
		positive("policy.outstanding", p.Outstanding != nil, orElse(p.Outstanding, 0) == 0)
		if h := p.Hedge; h != nil {
			positive("policy.hedge.budget", h.Budget != nil, orElse(h.Budget, 0) == 0)
		}
		if b := p.Breaker; b != nil {
			positive("policy.breaker.failures", b.Failures != nil, orElse(b.Failures, 0) == 0)
			positive("policy.breaker.probe", b.Probe != nil, orElse(b.Probe, 0) == 0)
			positive("policy.breaker.probe_max", b.ProbeMax != nil, orElse(b.ProbeMax, 0) == 0)
		}
		if c := p.Cache; c != nil {
			positive("policy.cache.size", c.Size != nil, orElse(c.Size, 0) == 0)
		}
	}
	if m := s.Limits; m != nil {
		for name, v := range map[string]*workload.Size{"request": m.RequestSize, "part": m.PartSize, "answer": m.AnswerSize, "line": m.LineSize, "header": m.HeaderSize} {
			positive("limits."+name+"_size", v != nil, orElse(v, 0) == 0)
		}
		positive("limits.connections", m.Connections != nil, orElse(m.Connections, 0) == 0)
	}
	if t := s.Tracing; t != nil {
		positive("tracing.sample", t.Sample != nil, orElse(t.Sample, 0) == 0)
	}
}
