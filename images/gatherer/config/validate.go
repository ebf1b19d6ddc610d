package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
)

// Bounds of what a file may ask for.
const (
	MaxShards  = 4096
	maxRetries = 10
	maxBudget  = 0.5
)

// faults collects what is wrong, each under the path that the user wrote.
type faults struct{ all *multierror.Error }

func (f *faults) add(path, format string, args ...any) {
	f.all = multierror.Append(f.all, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (f *faults) between(path string, value, least, most int) {
	if value < least || value > most {
		f.add(path, "must be %d to %d, got %d", least, most, value)
	}
}

func (f *faults) positive(path string, value int64) {
	if value <= 0 {
		f.add(path, "must be greater than 0, got %d", value)
	}
}

// Validate returns every fault at once, or nil. It expects the defaults to be set (SetDefaults) and changes nothing.
func (c *Config) Validate() error {
	f := &faults{}
	var inner *multierror.Error
	if err := c.Settings.Validate(); errors.As(err, &inner) {
		f.all = multierror.Append(f.all, inner.Errors...)
	}
	if c.Node.Name == "" {
		f.add("node.name", "must not be empty")
	}
	if c.Node.Level < 0 {
		f.add("node.level", "must be 0 for the root, or more, got %d", c.Node.Level)
	}
	f.between("shards", c.Shards, 1, MaxShards)
	c.children(f)
	c.Merge.validate(f)
	c.Policy.validate(f, c.Shards)
	l := c.Limits
	for path, value := range map[string]int64{
		"limits.request_bytes": l.RequestBytes, "limits.part_bytes": l.PartBytes, "limits.answer_bytes": l.AnswerBytes,
		"limits.line_bytes": int64(l.LineBytes), "limits.header_bytes": int64(l.HeaderBytes), "limits.connections": int64(l.Connections),
	} {
		f.positive(path, value)
	}
	if t := c.Tracing; t != nil {
		httpURL(f, "tracing.endpoint", t.Endpoint)
		if t.Sample < 0 || t.Sample > 1 {
			f.add("tracing.sample", "must be 0 to 1, got %v", t.Sample)
		}
	}
	return f.all.ErrorOrNil()
}

func (c *Config) children(f *faults) {
	if len(c.Children) == 0 {
		f.add("children", "must have at least one")
	}
	names, below := map[string]bool{}, map[int]string{}
	for i := range c.Children {
		child, at := &c.Children[i], fmt.Sprintf("children[%d]", i)
		switch {
		case child.Name == "":
			f.add(at+".name", "must not be empty")
		case names[child.Name]:
			f.add(at+".name", "%q is another child's", child.Name)
		}
		names[child.Name] = true
		if len(child.Shards) == 0 || !child.Parent && len(child.Shards) > 1 {
			f.add(at+".shards", "must name one shard of a leaf, at least one of a parent, got %d", len(child.Shards))
		}
		for _, shard := range child.Shards {
			if shard < 0 || shard >= c.Shards {
				f.add(at+".shards", "there is no shard %d, only 0 to %d", shard, c.Shards-1)
			}
			if other, twice := below[shard]; twice {
				f.add(at+".shards", "shard %d is below %q as well", shard, other)
			}
			below[shard] = child.Name
		}
		switch {
		case (child.EndpointsFile == "") == (child.URL == ""):
			f.add(at, "exactly one of endpoints_file, url must be set")
		case child.URL != "":
			httpURL(f, at+".url", child.URL)
		case !filepath.IsAbs(child.EndpointsFile):
			f.add(at+".endpoints_file", "must be an absolute path, got %q", child.EndpointsFile)
		}
		if child.Protocol != "http1" && child.Protocol != "h2c" {
			f.add(at+".protocol", `must be "http1" or "h2c", got %q`, child.Protocol)
		}
		if child.ProbePath != "" && !strings.HasPrefix(child.ProbePath, "/") {
			f.add(at+".probe_path", "must begin with a slash, got %q", child.ProbePath)
		}
	}
}

func httpURL(f *faults, path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		f.add(path, "is no URL: %v", err)
	case u.Scheme != "http":
		f.add(path, "must begin with http://, got %q", text)
	case u.Hostname() == "":
		f.add(path, "must name a host, got %q", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.add(path, "must have no user, query or fragment, got %q", text)
	}
}

func (m *Merge) validate(f *faults) {
	n := 0
	for _, set := range []bool{m.Concat != nil, m.JSONArray != nil, m.TopK != nil, m.Sum != nil, m.Histogram != nil, m.NDJSON != nil, m.Container != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		f.add("merge", "exactly one of concat, json_array, top_k, sum, histogram, ndjson, container must be set, got %d", n)
	}
	order := func(path, value string) {
		if value != "asc" && value != "desc" {
			f.add(path, `must be "asc" or "desc", got %q`, value)
		}
	}
	if t := m.TopK; t != nil {
		f.positive("merge.top_k.k", int64(t.K))
		if t.By == "" {
			f.add("merge.top_k.by", "must name the field that decides")
		}
		order("merge.top_k.order", t.Order)
	}
	if h := m.Histogram; h != nil && h.Size < 0 {
		f.add("merge.histogram.size", "must not be negative, got %d", h.Size)
	}
	if s := m.NDJSON; s != nil {
		order("merge.ndjson.order", s.Order)
		if s.Limit < 0 {
			f.add("merge.ndjson.limit", "must not be negative, got %d", s.Limit)
		}
	}
	if c := m.Container; c != nil {
		httpURL(f, "merge.container.url", c.URL)
		if c.Format != "json" && c.Format != "multipart" && c.Format != "ndjson" {
			f.add("merge.container.format", `must be "json", "multipart" or "ndjson", got %q`, c.Format)
		}
		order("merge.container.order", c.Order)
		if c.By != "" && c.Format != "ndjson" {
			f.add("merge.container.by", `only goes with format = "ndjson"`)
		}
	}
}

func (p *Policy) validate(f *faults, shards int) {
	if p.Deadline <= 0 {
		f.add("policy.deadline", "must be greater than 0, got %s", p.Deadline)
	}
	if p.Reserve < 0 || p.Reserve > p.Deadline/2 {
		f.add("policy.reserve", "must be 0 to half of the deadline (%s), got %s", p.Deadline/2, p.Reserve)
	}
	p.require(f, shards)
	if p.Hedge != nil {
		p.Hedge.validate(f, p.Deadline)
	}
	f.between("policy.retries", *p.Retries, 0, maxRetries)
	f.positive("policy.concurrency", int64(p.Concurrency))
	if *p.Queue < 0 {
		f.add("policy.queue", "must not be negative, got %d", *p.Queue)
	}
	f.positive("policy.outstanding", int64(p.Outstanding))
	f.positive("policy.breaker.failures", int64(p.Breaker.Failures))
	if p.Breaker.Probe <= 0 {
		f.add("policy.breaker.probe", "must be greater than 0, got %s", p.Breaker.Probe)
	}
	if p.Breaker.ProbeMax < p.Breaker.Probe {
		f.add("policy.breaker.probe_max", "must be at least policy.breaker.probe (%s), got %s", p.Breaker.Probe, p.Breaker.ProbeMax)
	}
	if prune := p.Prune; prune != nil {
		if (prune.Header == "") == (prune.Path == "") {
			f.add("policy.prune", "exactly one of header, path must be set")
		}
		if prune.Path != "" && strings.Count("/"+strings.Trim(prune.Path, "/")+"/", "/{shards}/") != 1 {
			f.add("policy.prune.path", "must have one segment {shards}, got %q", prune.Path)
		}
	}
	if c := p.Cache; c != nil {
		if c.TTL <= 0 {
			f.add("policy.cache.ttl", "must be greater than 0, got %s", c.TTL)
		}
		f.positive("policy.cache.bytes", c.Bytes)
	}
}

func (p *Policy) require(f *faults, shards int) {
	const path = "policy.require"
	switch p.Require {
	case RequireAll, RequireQuorum, RequireBestEffort:
		return
	}
	if n, err := strconv.Atoi(p.Require); err == nil {
		switch {
		case n < 1:
			f.add(path, "must be at least 1, got %d", n)
		case n > shards:
			f.add(path, "%d shards can never answer: there are %d", n, shards)
		}
		return
	}
	part, err := strconv.ParseFloat(p.Require, 64)
	switch {
	case err != nil:
		f.add(path, `must be "all", "quorum", "best_effort", a number of shards or a fraction, got %q`, p.Require)
	case !(part > 0 && part <= 1): // NaN is neither
		f.add(path, "a fraction must be above 0 and at most 1, got %s", p.Require)
	}
}

func (h *Hedge) validate(f *faults, deadline Duration) {
	const path = "policy.hedge.after"
	if percent, ok := strings.CutPrefix(h.After, "p"); ok {
		if q, err := strconv.ParseFloat(percent, 64); err != nil || !(q >= 50 && q < 100) {
			f.add(path, "a quantile must be p50 to below p100, got %q", h.After)
		}
	} else {
		switch d, err := time.ParseDuration(h.After); {
		case err != nil:
			f.add(path, `must be a quantile ("p95") or a duration ("20ms"), got %q`, h.After)
		case d <= 0:
			f.add(path, "must be greater than 0, got %s", d)
		case d >= deadline.Std():
			f.add(path, "%s is not before the deadline of %s: no hedge would ever be sent", d, deadline)
		}
	}
	if !(h.Budget > 0 && h.Budget <= maxBudget) {
		f.add("policy.hedge.budget", "must be above 0 and at most %v, got %v", maxBudget, h.Budget)
	}
}
