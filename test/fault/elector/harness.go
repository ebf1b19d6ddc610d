package elector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

// A Site is where an elector lives: how it reaches its backend, and the links that it does so by.
type Site struct {
	Backend config.Backend
	Env     []string
	Links   []*Link
	// Folder that the elector keeps its own part of the backend in; "" if it has none.
	Folder string
}

// A Plan is what happens.
type Plan struct {
	// Sites of the electors, for each one, with these records.
	Sites func(t testing.TB, electors int, records []string) []Site
	// Operations after which it ends, but not before Least, and not after Within.
	Operations    int
	Least, Within time.Duration
	Lease         config.Lease
	// Skew is how far the rate of a clock may be from 1.
	Skew   float64
	Faults []Fault
	// Calm is about how long an elector is well between faults, half a lease at least.
	Calm time.Duration
	// Shortest that a fault lasts; the longest is two leases. Leaders: nobody else has one.
	Shortest time.Duration
	Leaders  bool
	// Resign is about how often a leader does.
	Resign time.Duration
	Seed   uint64
	// Env of the electors, besides. Unchecked: the resource takes any token.
	Env       []string
	Unchecked bool
}

// A Report is what came of it.
type Report struct {
	Findings
	Operations int
	Kinds      map[Kind]int
	// Accepted and Refused are writes; TakenAmiss were accepted after one with a greater token, by the resource's own account.
	Accepted, Refused, TakenAmiss int
	Terms                         int
	Faults                        map[Fault]int
	Resigned, HandedOver          int
	Took, Checking                time.Duration

	history []Operation
}

func (r Report) String() string {
	return fmt.Sprintf("%d operations in %s %v, %d writes accepted and %d refused, %d terms, faults %v, %d resigned and %d handed over; checked in %s",
		r.Operations, r.Took.Round(time.Second/10), r.Kinds, r.Accepted, r.Refused, r.Terms, r.Faults, r.Resigned, r.HandedOver, r.Checking.Round(time.Second/100))
}

const (
	electors = 5
	// slots are more, since one that was killed has its own until its lease has run out.
	slots  = 10
	shards = 4
	// decide is how long porcupine may take for an election.
	decide = time.Minute
)

// names of the elections, and of the set.
var names, set = []string{"one", "two", "three", "four"}, "set"

// leads tells who was last known to lead, and what terms there were.
type leads struct {
	mu    sync.Mutex
	who   map[string]*elector
	terms map[string]map[uint64]bool
}

func (l *leads) note(election string, e *elector, term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.who[election] = e
	if l.terms[election] == nil {
		l.terms[election] = map[uint64]bool{}
	}
	l.terms[election][term] = true
}

func (l *leads) of(election string) *elector {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.who[election]
}

// any election that an elector leads, as far as is known.
func (l *leads) any(e *elector) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, who := range l.who {
		if who == e {
			return true
		}
	}
	return false
}

// rig is everything that runs.
type rig struct {
	testing.TB
	plan      Plan
	elections []string
	electors  []*elector
	leads     *leads
	history   *history

	forgetting sync.Mutex

	mu     sync.Mutex
	report Report
}

// log what happens, of which there is much, with FAULT_LOG=1.
func (r *rig) log(format string, args ...any) {
	if os.Getenv("FAULT_LOG") != "" {
		r.Logf("%s "+format, append([]any{r.history.now().Round(time.Millisecond)}, args...)...)
	}
}

func (r *rig) strange(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Strange = append(r.report.Strange, fmt.Sprintf(format, args...))
}

// Run carries a plan out.
func Run(t testing.TB, binary string, plan Plan) Report {
	t.Helper()
	r := &rig{TB: t, plan: plan, history: newHistory(), leads: &leads{who: map[string]*elector{}, terms: map[string]map[uint64]bool{}}}
	r.report = Report{Faults: map[Fault]int{}, Kinds: map[Kind]int{}}
	r.elections = slices.Clone(names)
	for shard := range shards {
		r.elections = append(r.elections, fmt.Sprintf("%s/%d", set, shard))
	}
	random := func(stream int) *rand.Rand {
		return rand.New(rand.NewPCG(plan.Seed, uint64(stream))) //nolint:gosec // the same seed, the same choices
	}
	target := newResource(t, !plan.Unchecked)
	dir := t.TempDir()
	c := config.Config{Elections: names, Sets: map[string]int{set: shards}, Slots: slots, Lease: plan.Lease}
	c.Callbacks.Timeout = plan.Lease.Duration / 4
	for i, s := range plan.Sites(t, electors, c.Records()) {
		e := newElector(t, i, binary, dir, c, s)
		if err := r.start(e, random(100+i)); err != nil {
			t.Fatal(err)
		}
		r.electors = append(r.electors, e)
	}
	r.history.began = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), plan.Within)
	defer cancel()
	var group sync.WaitGroup
	id := 0
	for i, e := range r.electors {
		for _, election := range r.elections {
			c := &client{
				id: id, election: election, elector: e, resource: target, history: r.history, leads: r.leads, random: random(1000 + id),
				lease: plan.Lease.Duration.Std(), pace: pace, strange: r.strange,
			}
			late := id + 1
			id += 2
			group.Go(func() { c.run(ctx) })
			group.Go(func() { c.late(ctx, late, random(1000+late)) })
		}
		group.Go(func() { r.torment(ctx, e, random(200+i)) })
	}
	if plan.Resign > 0 {
		group.Go(func() { r.hand(ctx, random(1)) })
	}
	r.await(ctx)
	cancel()
	group.Wait()
	for _, e := range r.electors {
		e.kill()
	}
	return r.judge(target)
}

// pace of clients that do not lead.
const pace = 40 * time.Millisecond

// await what is planned.
func (r *rig) await(ctx context.Context) {
	for ctx.Err() == nil && (r.history.size() < r.plan.Operations || r.history.now() < r.plan.Least) {
		pause(ctx, 50*time.Millisecond)
	}
}

// judge what was done.
func (r *rig) judge(target *resource) Report {
	out := r.report
	out.Took = r.history.now()
	all := r.history.operations()
	out.Operations = len(all)
	for _, o := range all {
		out.Kinds[o.Kind]++
		switch {
		case o.Kind == Write && o.Accepted:
			out.Accepted++
		case o.Kind == Write:
			out.Refused++
		}
	}
	for _, terms := range r.leads.terms {
		out.Terms += len(terms)
	}
	out.TakenAmiss = target.stale
	began := time.Now()
	strange := out.Strange
	out.Findings = Check(all, decide)
	out.Strange = append(out.Strange, strange...)
	out.history, out.Checking = all, time.Since(began)
	return out
}

// Show what was found in a folder that stays.
func (r Report) Show(t testing.TB) {
	t.Helper()
	dir, err := os.MkdirTemp("", "elections-") //nolint:usetesting // it stays
	if err == nil {
		err = r.show(dir, r.history)
	}
	if err != nil {
		t.Errorf("what was found is not shown: %v", err)
		return
	}
	t.Logf("the history, and pages that show what was found, are in %s", dir)
}
