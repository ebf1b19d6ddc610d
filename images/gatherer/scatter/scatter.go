// Package scatter sends a request to one replica of every child at once, asks others where one fails or is slow, and gathers
// what they answer, with a word on every shard that is missing.
package scatter

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/trace"
)

// A Scatterer is one gatherer's way to its children. It is safe for concurrent use.
type Scatterer struct {
	// KeepHeaders of answers, where the merge looks at them. It is set before the first request.
	KeepHeaders bool

	node     config.Node
	shards   int
	children []*Child
	rules    atomic.Pointer[rules]
	budget   budget
	meters   *Meters
	log      *slog.Logger
}

// A Child is one shard's leaves, or one parent's replicas.
type Child struct {
	config.Child
	Set *replicas.Set
	// prefix is put before the paths of requests, and host is theirs, where the child is a URL.
	prefix, host string
	meters       childMeters
	counts       counts
}

// rules are a configuration's policy and limits, made ready for use.
type rules struct {
	deadline, reserve time.Duration
	retries           int
	hedging           bool
	quantile          float64
	fixed             time.Duration
	budget            float64
	caching           bool
	partBytes         int64
}

// New makes a Scatterer of a valid configuration.
func New(c *config.Config, meters *Meters, log *slog.Logger) *Scatterer {
	s := &Scatterer{node: c.Node, shards: c.Shards, meters: meters, log: log}
	siblings := replicas.NewSiblings()
	for _, child := range c.Children {
		s.children = append(s.children, newChild(c, child, siblings, meters, log))
	}
	s.Apply(c)
	return s
}

func newChild(c *config.Config, child config.Child, siblings *replicas.Siblings, meters *Meters, log *slog.Logger) *Child {
	out := &Child{Child: child, meters: meters.child(child.Name)}
	out.prefix, out.host = child.Target()
	o := options(c, child, log)
	o.Siblings = siblings
	out.Set = replicas.New(o)
	return out
}

func options(c *config.Config, child config.Child, log *slog.Logger) replicas.Options {
	return replicas.Options{
		Name: child.Name, Protocol: child.Protocol, ProbePath: child.ProbePath, Breaker: c.Policy.Breaker,
		Outstanding: c.Policy.Outstanding, HeaderBytes: c.Limits.HeaderBytes, Log: log,
	}
}

// Apply puts the policy and the limits of a configuration into use. Its children are those that the Scatterer was made with.
func (s *Scatterer) Apply(c *config.Config) {
	p := &c.Policy
	r := &rules{
		deadline: p.Deadline.Std(), reserve: p.Reserve.Std(), retries: *p.Retries,
		partBytes: c.Limits.PartBytes, caching: p.Cache != nil,
	}
	if p.Hedge != nil {
		r.hedging, r.budget = true, p.Hedge.Budget
		r.quantile, r.fixed = p.Hedge.Delay()
		s.budget.rate.Store(int64(p.Hedge.Budget * tokenUnits))
		s.budget.tokens.CompareAndSwap(0, tokenUnits) // the first one may be slow, too
	}
	s.rules.Store(r)
	for _, child := range s.children {
		child.Set.Apply(options(c, child.Child, s.log))
	}
}

// Children in the order of the configuration.
func (s *Scatterer) Children() []*Child { return s.children }

// Shards of the whole tree, or those below this node where it is a parent.
func (s *Scatterer) Shards() []int {
	var out []int
	for _, child := range s.children {
		out = append(out, child.Child.Shards...)
	}
	return out
}

// A Request is what a client or the level above has sent. It is not changed.
type Request struct {
	Method string
	// Target is the path with the query, as on the request line, and Host what was asked for.
	Target, Host string
	// Header lines that children get, each ended by CRLF.
	Header []byte
	Body   []byte
	// Asked shards; nil for all.
	Asked map[int]bool
	// Deadline of the answer to who has asked.
	Deadline time.Time
	Span     *trace.Span
}

// Part is a child's answer.
type Part struct {
	Child  *Child
	Shards []int
	answer
}

// Gathered is what came of a request. Release gives its memory back; afterwards the bodies are no more.
type Gathered struct {
	Parts    []Part
	Coverage contract.Coverage
	// Refusal is the answer of a child where all have refused the request with the same status of the class 4xx.
	Refusal *Part
}

// Release the memory of the answers.
func (g *Gathered) Release() {
	for i := range g.Parts {
		g.Parts[i].release()
	}
	if g.Refusal != nil {
		g.Refusal.release()
	}
}

// Gather asks all children and waits for the last, at most until the deadline less what this level needs itself. It ends at
// once, with nothing, when ctx does.
func (s *Scatterer) Gather(ctx context.Context, r *Request) *Gathered {
	g := s.begin(r, false)
	g.wait(ctx)
	return g.gathered()
}

// Open is Gather for answers that are read by the caller: a call counts as answered when the head of an answer has come. Gathered's
// parts have streams and no bodies; Release closes them.
func (s *Scatterer) Open(ctx context.Context, r *Request) *Gathered {
	g := s.begin(r, true)
	g.wait(ctx)
	return g.gathered()
}

// Cancel the reading of a part's stream, from any goroutine.
func (p *Part) Cancel() { p.flight.Cancel() }
