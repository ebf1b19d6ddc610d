// Package server is a gatherer's front: it takes requests within bounds, has them scattered and merged, and answers with what
// is known of the coverage.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/merge"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/trace"
)

// Options of a Server.
type Options struct {
	Scatterer *scatter.Scatterer
	// Merger or Streamer, exactly one.
	Merger   merge.Merger
	Streamer merge.Streamer
	// Tracer may be nil.
	Tracer  *trace.Tracer
	Metrics *Metrics
	Log     *slog.Logger
	// Tree answers a level above that asks for the state of the tree; nil does not.
	Tree http.Handler
}

// A Server answers requests. It is an http.Handler.
type Server struct {
	Options
	node     config.Node
	plan     atomic.Pointer[plan]
	flights  flights
	cache    *cache
	draining atomic.Bool
	tallies
}

// plan is a configuration, made ready for use.
type plan struct {
	policy  config.Policy
	limits  config.Limits
	shards  int
	least   int // of all shards
	own     map[int]bool
	ask     asker
	vary    []string
	waiting *admission
}

// New makes a Server of a valid configuration.
func New(c *config.Config, o Options) *Server {
	s := &Server{Options: o, node: c.Node, cache: newCache(), tallies: newTally()}
	s.Apply(c)
	return s
}

// Apply puts the policy and the limits of a configuration into use.
func (s *Server) Apply(c *config.Config) {
	p := &plan{
		policy: c.Policy, limits: c.Limits, shards: c.Shards, own: map[int]bool{}, ask: newAsker(c),
		waiting: newAdmission(c.Policy.Concurrency, *c.Policy.Queue),
	}
	for _, shard := range s.Scatterer.Shards() {
		p.own[shard] = true
	}
	p.least = p.policy.Least(c.Shards)
	for _, name := range c.Policy.Vary {
		p.vary = append(p.vary, http.CanonicalHeaderKey(name))
	}
	s.cache.apply(c.Policy.Cache)
	s.plan.Store(p)
}

// Drain lets clients use their connections no more, so that none is closed under a request.
func (s *Server) Drain() { s.draining.Store(true) }

// bodyPatience is how long a request's body may take, besides its deadline: a client that trickles costs no more than that.
const bodyPatience = 10 * time.Second

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	if s.serveTree(w, r) {
		return
	}
	p := s.plan.Load()
	asked, err := p.ask.asked(r, p.own)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	given, err := p.given(r)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	control := http.NewResponseController(w)
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		_ = control.SetReadDeadline(begun.Add(given + bodyPatience)) // every connection of this server has deadlines
		if body, err = readBody(w, r, p.limits.RequestBytes); err != nil {
			s.refuseBody(w, err)
			return
		}
		_ = control.SetReadDeadline(time.Time{})
	}
	if !p.waiting.enter(r.Context(), begun.Add(given)) {
		w.Header().Set("Retry-After", "1")
		s.Metrics.refused.Inc()
		s.refuse(w, http.StatusServiceUnavailable, "overloaded: "+strconv.Itoa(p.policy.Concurrency)+" requests are worked on, and no more may wait")
		return
	}
	defer p.waiting.leave()
	s.Metrics.inFlight.Inc()
	defer s.Metrics.inFlight.Dec()
	s.tally.inFlight.Add(1)
	defer s.tally.inFlight.Add(-1)

	t := &task{s: s, p: p, asked: asked, body: body, deadline: begun.Add(given)}
	t.take(r)
	if s.Streamer != nil {
		t.stream(w, r)
	} else {
		t.answer(w, r)
	}
	took := time.Since(begun)
	s.Metrics.seconds.Observe(took.Seconds())
	s.window.Observe(took)
}

// given is the time for the answer: the policy's, unless who asks has less.
func (p *plan) given(r *http.Request) (time.Duration, error) {
	given := p.policy.Deadline.Std()
	if text := r.Header.Get(contract.HeaderDeadline); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 1 {
			return 0, errors.New(contract.HeaderDeadline + `: must be milliseconds, at least 1, got "` + text + `"`)
		}
		if ms < int64(given/time.Millisecond) {
			given = time.Duration(ms) * time.Millisecond
		}
	}
	return given, nil
}

// A task is one request's way through the server.
type task struct {
	s        *Server
	p        *plan
	asked    map[int]bool
	body     []byte
	deadline time.Time
	request  scatter.Request
	merging  merge.Request
}

func (t *task) take(r *http.Request) {
	target := r.URL.RequestURI()
	span := t.s.Tracer.Start(r.Header.Get(trace.HeaderParent), r.Header.Get(trace.HeaderState), r.Method+" "+r.URL.Path)
	t.request = scatter.Request{
		Method: r.Method, Target: target, Host: r.Host, Header: scatter.Lines(r.Header), Body: t.body, Asked: t.asked,
		Deadline: t.deadline, Span: span,
	}
	t.merging = merge.Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header, Body: t.body, Deadline: t.deadline,
		Span: span, Root: t.s.node.Level == 0,
	}
}

// enough tells whether a coverage is enough for an answer.
func (t *task) enough(c contract.Coverage) bool {
	if t.s.node.Level > 0 {
		return c.Answered > 0 || c.Complete
	}
	least := t.p.least
	if c.Shards < t.p.shards { // of those that the request is for, the same part
		least = (least*c.Shards + t.p.shards - 1) / t.p.shards
	}
	return c.Answered >= least
}

// made is an answer that can be sent to several clients.
type made struct {
	status   int
	header   http.Header
	body     []byte
	coverage contract.Coverage
	cacheFor time.Duration
	release  func()
	short    bool // too few shards have answered
}

// gather and merge. The body is valid until release, which may be nil.
func (t *task) gather(ctx context.Context) *made {
	g := t.s.Scatterer.Gather(ctx, &t.request)
	m := t.merge(ctx, g)
	t.request.Span.Count("shards", m.coverage.Shards)
	t.request.Span.Count("answered", m.coverage.Answered)
	failed := ""
	if m.status >= http.StatusInternalServerError {
		failed = http.StatusText(m.status)
	}
	t.request.Span.End(failed)
	return m
}

func (t *task) merge(ctx context.Context, g *scatter.Gathered) *made {
	coverage := g.Coverage
	if g.Refusal != nil {
		header := http.Header{}
		if g.Refusal.ContentType != "" {
			header.Set("Content-Type", g.Refusal.ContentType)
		}
		return &made{status: g.Refusal.Status, header: header, body: g.Refusal.Body, coverage: coverage, release: g.Release}
	}
	parts := make([]merge.Part, len(g.Parts))
	for i := range g.Parts {
		p := &g.Parts[i]
		parts[i] = merge.Part{Child: p.Child.Name, Shards: p.Shards, Status: p.Status, ContentType: p.ContentType, Header: p.Header, Body: p.Body}
	}
	ctx, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	for {
		if !t.enough(coverage) {
			g.Release()
			return t.insufficient(coverage)
		}
		answer, err := t.s.Merger.Merge(ctx, &t.merging, parts, coverage)
		var wrong *merge.PartError
		if errors.As(err, &wrong) && wrong.Index >= 0 && wrong.Index < len(parts) {
			// What cannot be merged is as good as not there.
			reason := "invalid answer: " + wrong.Err.Error()
			coverage = without(coverage, parts[wrong.Index].Shards, reason)
			t.s.Scatterer.Invalid(parts[wrong.Index].Child, reason)
			parts = append(parts[:wrong.Index:wrong.Index], parts[wrong.Index+1:]...)
			continue
		}
		if err != nil {
			g.Release()
			t.s.Metrics.unmerged.Inc()
			t.s.Log.Error("the answers were not merged", "error", err.Error())
			status := http.StatusBadGateway
			if errors.Is(err, context.DeadlineExceeded) {
				status = http.StatusGatewayTimeout
			}
			return problem(status, "the answers were not merged: "+err.Error(), &coverage)
		}
		header := answer.Header
		if header == nil {
			header = http.Header{}
		}
		if answer.ContentType != "" {
			header.Set("Content-Type", answer.ContentType)
		}
		m := &made{status: answer.Status, header: header, body: answer.Body, coverage: coverage, release: func() {
			if answer.Release != nil {
				answer.Release()
			}
			g.Release()
		}}
		if m.status == 0 {
			m.status = http.StatusOK
		}
		m.cacheFor = cacheable(t.p.policy.Cache, g)
		return m
	}
}

// insufficient is the answer where too few shards have answered.
func (t *task) insufficient(c contract.Coverage) *made {
	t.s.Metrics.insufficient.Inc()
	text := "too few shards have answered: " + strconv.Itoa(c.Answered) + " of " + strconv.Itoa(c.Shards)
	if t.s.node.Level == 0 {
		text += ", and policy.require is " + strconv.Quote(t.p.policy.Require)
	}
	m := problem(http.StatusServiceUnavailable, text, &c)
	m.short = true
	return m
}
