package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What holds where the file says nothing.
const (
	defaultDeadline    = 2 * time.Second
	defaultRetries     = 2
	defaultConcurrency = 256
	defaultQueue       = 1024
	defaultOutstanding = 1024
	defaultBudget      = 0.05
	defaultFailures    = 3
	defaultProbe       = 250 * time.Millisecond
	defaultProbeMax    = 10 * time.Second
	defaultCacheBytes  = 64 << 20
	defaultSample      = 0.01
)

// Require that is meant by a word.
const (
	RequireAll        = "all"
	RequireQuorum     = "quorum"
	RequireBestEffort = "best_effort"
)

// DefaultVary are the request headers that make requests different.
var DefaultVary = []string{"Accept", "Accept-Language", "Authorization", "Content-Type", "Cookie"}

func set[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// SetDefaults fills what the file left out.
func (c *Config) SetDefaults() {
	c.Settings.SetDefaults()
	set(&c.Listen, ":8080")
	for i := range c.Children {
		set(&c.Children[i].Protocol, "http1")
	}
	c.Merge.setDefaults()
	c.Policy.setDefaults()
	l := &c.Limits
	set(&l.RequestBytes, 1<<20)
	set(&l.PartBytes, 16<<20)
	set(&l.AnswerBytes, 64<<20)
	set(&l.LineBytes, 1<<20)
	set(&l.HeaderBytes, 32<<10)
	set(&l.Connections, 4096)
	if c.Tracing != nil {
		set(&c.Tracing.Sample, defaultSample)
	}
}

func (m *Merge) setDefaults() {
	if m.TopK != nil {
		set(&m.TopK.Order, "desc")
	}
	if m.NDJSON != nil {
		set(&m.NDJSON.Order, "asc")
	}
	if m.Container != nil {
		set(&m.Container.Format, "json")
		set(&m.Container.Order, "asc")
	}
}

func (p *Policy) setDefaults() {
	set(&p.Deadline, Duration(defaultDeadline))
	set(&p.Require, RequireAll)
	if p.Hedge != nil {
		h := *p.Hedge // the caller's own stays as it is
		set(&h.After, "p95")
		set(&h.Budget, defaultBudget)
		p.Hedge = &h
	}
	if p.Retries == nil {
		p.Retries = new(defaultRetries)
	}
	set(&p.Concurrency, defaultConcurrency)
	if p.Queue == nil {
		p.Queue = new(defaultQueue)
	}
	set(&p.Outstanding, defaultOutstanding)
	set(&p.Breaker.Failures, defaultFailures)
	set(&p.Breaker.Probe, Duration(defaultProbe))
	set(&p.Breaker.ProbeMax, Duration(defaultProbeMax))
	if p.Cache != nil {
		c := *p.Cache
		set(&c.Bytes, defaultCacheBytes)
		p.Cache = &c
	}
	if p.Vary == nil {
		p.Vary = DefaultVary
	}
}

// Least is how many of so many shards must answer. It expects a valid policy.
func (p *Policy) Least(shards int) int {
	switch p.Require {
	case RequireAll, "":
		return shards
	case RequireQuorum:
		return shards/2 + 1
	case RequireBestEffort:
		return 0
	}
	if n, err := strconv.Atoi(p.Require); err == nil {
		return n
	}
	part, _ := strconv.ParseFloat(p.Require, 64)
	least := int(part * float64(shards))
	if float64(least) < part*float64(shards) {
		least++
	}
	return least
}

// Delay is after what time a hedge is sent: a quantile (0.95) of the child's latency, or a fixed time. It expects a valid Hedge.
func (h *Hedge) Delay() (quantile float64, fixed time.Duration) {
	if percent, ok := strings.CutPrefix(h.After, "p"); ok {
		q, _ := strconv.ParseFloat(percent, 64)
		return q / 100, 0
	}
	fixed, _ = time.ParseDuration(h.After)
	return 0, fixed
}

// Target is what a child's URL says: what is put before paths, and the host; both are empty where it has none.
func (c *Child) Target() (prefix, host string) {
	u, err := url.Parse(c.URL)
	if c.URL == "" || err != nil {
		return "", ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/"), u.Host
}

// Address is HOST:PORT of a child's URL.
func (c *Child) Address() string { return address(c.URL) }

// Address is HOST:PORT of the container.
func (c *Container) Address() string { return address(c.URL) }

func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
