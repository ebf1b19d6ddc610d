package scattergather

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	gatherer "github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Where things are in a gatherer's container, and the ports on which it listens.
const (
	configFolder    = "/pattern/config"
	configFile      = "config.yaml"
	endpointsFolder = "/pattern/endpoints"

	httpNumber       = 8080
	managementNumber = 9464
)

// config is the file that a gatherer of the tree reads. Defaults are left to it: the file is kept small, since an engine
// may keep those of all gatherers in one object.
func (s *Spec) config(t *tree, level, index int) *gatherer.Config {
	c := &gatherer.Config{
		Listen: fmt.Sprintf(":%d", httpNumber),
		Node:   gatherer.Node{Name: t.name(level, index), Level: level, Depth: t.depth()},
		Shards: t.shards, Merge: s.Merge.config(), Policy: s.Policy.config(), Limits: s.Limits.config(), Tracing: s.Tracing.config(),
	}
	c.Identity.Pattern, c.Identity.Instance, c.Identity.Namespace, c.Identity.Container = Name, s.Name, s.Namespace, workload.MainName
	c.Management.Address = fmt.Sprintf(":%d", managementNumber)
	c.Lifecycle.Grace = gatherer.Duration(framework.Grace(s.gathererEnding()))
	first, last := t.children(level, index)
	names := s.targetNames()
	for i := first; i < last; i++ {
		child := gatherer.Child{}
		switch {
		case level+1 < t.depth():
			child.Name, child.Parent = t.name(level+1, i), true
			child.EndpointsFile = endpointsFolder + "/" + t.group(level+1, i)
			for from, to := t.shardsBelow(level+1, i); from < to; from++ {
				child.Shards = append(child.Shards, from)
			}
		case s.Leaf != nil:
			child.Name, child.Shards = fmt.Sprintf("shard %d", i), []int{i}
			child.EndpointsFile = endpointsFolder + "/" + t.leafGroup(i)
			child.Protocol, child.ProbePath = s.Leaf.Protocol, s.Leaf.probePath()
		default:
			child.Name, child.Shards, child.URL = names[i], []int{i}, s.Targets[names[i]].URL
		}
		c.Children = append(c.Children, child)
	}
	return c
}

// probePath is what the developer lets the engine ask for readiness, where that is asked of the port of requests.
func (l *Leaf) probePath() string {
	if l.Probes == nil || l.Probes.Readiness == nil || l.Protocol == "h2c" {
		return ""
	}
	if h := l.Probes.Readiness.HTTP; h != nil && h.Port == l.port() && (h.Scheme == "" || h.Scheme == "http") {
		return h.Path
	}
	return ""
}

// fixed is a digest of what a gatherer takes into use only when it starts.
func fixed(c *gatherer.Config) string {
	k := *c
	k.Policy, k.Limits = gatherer.Policy{}, gatherer.Limits{Connections: c.Limits.Connections}
	k.Log.Level = ""
	raw, err := json.Marshal(k)
	if err != nil { // plain data
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:4])
}

func (m *Merge) config() gatherer.Merge {
	if m == nil {
		return gatherer.Merge{}
	}
	out := gatherer.Merge{Concat: copied(m.Concat), JSONArray: copied(m.JSONArray), TopK: copied(m.TopK), Sum: m.Sum, Histogram: copied(m.Histogram), NDJSON: copied(m.NDJSON)}
	if c := m.Container; c != nil {
		out.Container = &gatherer.Container{URL: fmt.Sprintf("http://127.0.0.1:%d%s", c.Port, c.path()), Format: c.Format, By: c.By, Order: c.Order}
	}
	return out
}

// copied keeps what the user wrote from being given defaults.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	out := *p
	return &out
}

func (c *MergeContainer) path() string {
	if c.Path == "" {
		return defaultMergePath
	}
	return c.Path
}

func (p *Policy) config() gatherer.Policy {
	if p == nil {
		return gatherer.Policy{}
	}
	out := gatherer.Policy{
		Deadline: duration(p.Deadline), Reserve: duration(p.Reserve), Require: p.Require, Retries: p.Retries,
		Concurrency: orElse(p.Concurrency, 0), Queue: p.Queue, Outstanding: orElse(p.Outstanding, 0),
		Prune: p.Prune, Coalesce: p.Coalesce, Vary: p.Vary,
	}
	if h := p.Hedge; h != nil {
		out.Hedge = &gatherer.Hedge{After: h.After, Budget: orElse(h.Budget, 0)}
	}
	if b := p.Breaker; b != nil {
		out.Breaker = gatherer.Breaker{Failures: orElse(b.Failures, 0), Probe: duration(b.Probe), ProbeMax: duration(b.ProbeMax)}
	}
	if c := p.Cache; c != nil {
		out.Cache = &gatherer.Cache{TTL: duration(c.TTL), Bytes: int64(orElse(c.Size, 0))}
	}
	return out
}

func (l *Limits) config() gatherer.Limits {
	if l == nil {
		return gatherer.Limits{}
	}
	return gatherer.Limits{
		RequestBytes: int64(orElse(l.RequestSize, 0)), PartBytes: int64(orElse(l.PartSize, 0)), AnswerBytes: int64(orElse(l.AnswerSize, 0)),
		LineBytes: int(orElse(l.LineSize, 0)), HeaderBytes: int(orElse(l.HeaderSize, 0)), Connections: orElse(l.Connections, 0),
	}
}

func (t *Tracing) config() *gatherer.Tracing {
	if t == nil {
		return nil
	}
	return &gatherer.Tracing{Endpoint: t.Endpoint, Sample: orElse(t.Sample, 0)}
}

// duration of an attribute that may not be given; zero leaves it to the gatherer's default.
func duration(d *workload.Duration) gatherer.Duration {
	return gatherer.Duration(orElse(d, 0))
}

func file(v any) map[string]string {
	raw, err := json.Marshal(v)
	if err != nil { // plain data
		panic(err)
	}
	return map[string]string{configFile: string(raw) + "\n"}
}
