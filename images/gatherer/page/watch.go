package page

import (
	"context"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/server"
)

// Options of a Watcher.
type Options struct {
	Node   config.Node
	Shards int // of the whole tree
	// Instance and Version are told as they are.
	Instance, Version string
	Scatterer         *scatter.Scatterer
	Server            *server.Server
}

// A Watcher knows how a gatherer was in the last minute. Run must run.
type Watcher struct {
	Options
	begun time.Time

	mu       sync.Mutex
	node     memory[server.Totals]
	children memory[[]scatter.Totals]
	ticks    int

	asking  sync.Mutex // one at a time asks the parents
	parents map[*scatter.Child]*parent
	asked   time.Time
}

// New makes a Watcher.
func New(o Options) *Watcher {
	w := &Watcher{Options: o, begun: time.Now(), parents: map[*scatter.Child]*parent{}}
	w.node.size, w.children.size = minute, minute/childStep
	for _, child := range o.Scatterer.Children() {
		if child.Parent {
			w.parents[child] = &parent{}
		}
	}
	w.remember()
	return w
}

// Run remembers until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.remember()
		}
	}
}

// remember the totals of now.
func (w *Watcher) remember() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.node.add(now, w.Server.Totals())
	if w.ticks%childStep == 0 {
		var totals []scatter.Totals
		for _, child := range w.Scatterer.Children() {
			totals = append(totals, child.Totals())
		}
		w.children.add(now, totals)
	}
	w.ticks++
}

// Tree as it is now. It asks parents for theirs, within the time that ctx has.
func (w *Watcher) Tree(ctx context.Context) *Node {
	w.askParents(ctx)
	now := w.Server.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &Node{
		Name: w.Node.Name, Level: w.Node.Level, Depth: w.Node.Depth, Instance: w.Instance, Version: w.Version,
		Shards: contract.FormatShards(w.Scatterer.Shards()), Count: w.Shards, Require: now.Require, Uptime: time.Since(w.begun).Seconds(),
		InFlight: now.InFlight, P50: now.P50, P95: now.P95, P99: now.P99, Children: []Child{},
	}
	was := w.node.ago(lately)
	out.PerSecond = float64(counted(was.totals, now.Totals).all()) / was.since()
	out.Coverage = w.coverage(now.Totals)
	w.addChildren(out)
	return out
}

// coverage of the last minute.
func (w *Watcher) coverage(now server.Totals) Coverage {
	c := Coverage{Counts: counted(w.node.ago(minute).totals, now), Ratio: 1, Seconds: []Counts{}}
	if all := c.all() - c.Refused; all > 0 {
		c.Ratio = float64(c.Complete) / float64(all)
	}
	for i := 1; i < len(w.node.kept); i++ { // seconds that are over
		c.Seconds = append(c.Seconds, counted(w.node.kept[i-1].totals, w.node.kept[i].totals))
	}
	return c
}

func (w *Watcher) addChildren(out *Node) {
	children := w.Scatterer.Children()
	all := make([]scatter.Status, len(children))
	for i, child := range children {
		all[i] = child.Status()
	}
	typical := middle(all)
	longAgo, before := w.children.ago(minute/childStep), w.children.ago(lately/childStep)
	for i, child := range children {
		s := &all[i]
		last, recent := between(longAgo.totals[i], s.Totals), between(before.totals[i], s.Totals)
		c := Child{
			Name: child.Name, Shards: contract.FormatShards(child.Child.Shards), Parent: child.Parent,
			State: stateOf(s, recent, typical), PerSecond: float64(recent.First) / before.since(),
			P50: s.Replicas.P50, P95: s.Replicas.P95, P99: s.Replicas.P99,
			First: last.First, Retries: last.Retries, Hedges: Hedges{last.Hedges, last.Won},
			Answered: last.Answered, Partial: last.Partial, Missing: last.Missing, Invalid: last.Invalid, Replicas: s.Replicas.Replicas,
		}
		if c.State == Flaky || c.State == Missing {
			c.Reason = s.Reason
		}
		if p := w.parents[child]; p != nil {
			p.tell(&c)
		}
		out.Hedges.Sent += last.Hedges
		out.Hedges.Won += last.Won
		out.Children = append(out.Children, c)
	}
}
