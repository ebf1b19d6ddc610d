package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// window of deduplication in this package.
const window = 40 * time.Second

// rule of all stages in this package.
func rule(string) store.Rule {
	return store.Rule{MaxAttempts: 3, Delay: func(attempt int) time.Duration { return time.Duration(attempt-1) * 5 * time.Second }}
}

// Play runs a program, whose bytes are operations, on a store and on a model, and compares them after each. The store is
// empty and has the clock's time and Options as Suite gives them.
func Play(t testing.TB, s store.Store, clock *Clock, program []byte) {
	t.Helper()
	p := &player{t: t, ctx: context.Background(), s: s, clock: clock, m: newModel(clock.Now, window), program: program}
	for len(p.program) > 0 && !t.Failed() {
		p.step()
		p.compare()
	}
}

type player struct {
	t       testing.TB
	ctx     context.Context
	s       store.Store
	clock   *Clock
	m       *model
	program []byte
	leases  []store.Lease
	trace   []string
}

// pick one of n by the next byte.
func (p *player) pick(n int) int {
	if len(p.program) == 0 {
		return 0
	}
	b := p.program[0]
	p.program = p.program[1:]
	return int(b) % n
}

func (p *player) stage() string { return []string{"resize", "join"}[p.pick(2)] }
func (p *player) name() string  { return fmt.Sprintf("item-%02d", p.pick(24)) }

func (p *player) item() store.NewItem {
	n := store.NewItem{
		Stage: p.stage(), Name: p.name(), Priority: p.pick(10), Delay: time.Duration(max(p.pick(20)-14, 0)) * 3 * time.Second,
		Group: []string{"", "", "a", "b"}[p.pick(4)], DeduplicationID: []string{"", "", "", "x", "y"}[p.pick(5)],
	}
	n.Payload = payload(p.pick(5))
	return n
}

func payload(kind int) store.Payload {
	switch kind {
	case 0:
		return store.Payload{}
	case 1:
		return store.Payload{Ref: "blob:1", Size: 1 << 20}
	default:
		data := make([]byte, kind*kind*kind*kind*7)
		for i := range data {
			data[i] = byte(i * kind)
		}
		return store.Payload{Data: data, Size: int64(len(data))}
	}
}

// lease is one that was given out at some time.
func (p *player) lease() store.Lease {
	if len(p.leases) == 0 {
		return store.Lease{ID: 1, Epoch: 1}
	}
	return p.leases[len(p.leases)-1-p.pick(min(len(p.leases), 12))]
}

func (p *player) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

func (p *player) equal(want, got any, what string) {
	p.t.Helper()
	require.Equalf(p.t, want, got, "%s, after %v", what, p.trace[max(0, len(p.trace)-12):])
}

func (p *player) ok(err error) {
	p.t.Helper()
	require.NoErrorf(p.t, err, "after %v", p.trace[max(0, len(p.trace)-12):])
}

func (p *player) step() {
	steps := []func(){
		p.enqueue, p.enqueue, p.enqueue, p.receive, p.receive, p.receive, p.extend, p.commit, p.commit, p.commit,
		p.giveBack, p.giveBack, p.tick, p.tick, p.advance, p.advance, p.redrive, p.purge, p.forget, p.exported, p.hold, p.mark,
	}
	steps[p.pick(len(steps))]()
}

func (p *player) enqueue() {
	items := make([]store.NewItem, 1+p.pick(3))
	for i := range items {
		items[i] = p.item()
	}
	p.note("enqueue %d: %s/%s group %q ...", len(items), items[0].Stage, items[0].Name, items[0].Group)
	got, err := p.s.Enqueue(p.ctx, items)
	p.ok(err)
	for i := range items {
		item, duplicate := p.m.enqueue(items[i], nil)
		p.equal(duplicate, got[i].Duplicate, "duplicate")
		if !duplicate {
			item.ID = got[i].ID
		}
		p.equal(item.ID, got[i].ID, "ID")
	}
}

func (p *player) receive() {
	r := store.Receive{
		Stage: p.stage(), Worker: fmt.Sprint("worker-", p.pick(3)), Index: p.pick(3), Max: 1 + p.pick(3),
		Until: p.clock.Now().Add(time.Duration(1+p.pick(4)) * 10 * time.Second),
	}
	p.note("receive %d of %s", r.Max, r.Stage)
	got, err := p.s.Receive(p.ctx, r)
	p.ok(err)
	want := p.m.receive(r)
	p.equal(len(want), len(got), "received")
	for i, item := range want {
		p.equal(item.plain(true), normal(got[i]), "received")
		p.leases = append(p.leases, item.Lease)
	}
}

func (p *player) extend() {
	leases := []store.Lease{p.lease(), p.lease()}
	until := p.clock.Now().Add(time.Duration(1+p.pick(5)) * 10 * time.Second)
	p.note("extend %v", leases)
	got, err := p.s.Extend(p.ctx, leases, until)
	p.ok(err)
	p.equal([]error{p.m.extend(leases[0], until), p.m.extend(leases[1], until)}, got, "extended")
}

func (p *player) commit() {
	commits := make([]store.Commit, 1+p.pick(2))
	for i := range commits {
		commits[i].Lease = p.lease()
		for range p.pick(3) {
			commits[i].Items = append(commits[i].Items, p.item())
		}
		for range p.pick(3) {
			commits[i].Results = append(commits[i].Results, store.NewResult{Name: p.name(), Payload: payload(p.pick(4))})
		}
	}
	p.note("commit %v", commits[0].Lease)
	got, err := p.s.Commit(p.ctx, commits)
	p.ok(err)
	for i := range commits {
		p.equal(p.m.commit(commits[i]), got[i], "committed")
	}
}

func (p *player) giveBack() {
	back := []store.GiveBack{{Lease: p.lease()}}
	switch p.pick(4) {
	case 0:
		back[0].Release = true
	case 1:
		back[0].Dead, back[0].Failure = true, &api.Failure{Reason: "exit code 1", Worker: "w"}
	case 2:
		back[0].Delay, back[0].Failure = 7*time.Second, &api.Failure{Reason: "exit code 75"}
	}
	p.note("give back %+v", back[0])
	got, err := p.s.GiveBack(p.ctx, back)
	p.ok(err)
	p.equal(p.m.giveBack(back[0]), got[0], "given back")
}

func (p *player) tick() {
	p.note("tick")
	next, more, err := p.s.Tick(p.ctx, rule, 1000)
	p.ok(err)
	p.equal(false, more, "more")
	p.equal(p.m.tick(rule), utc(next), "next")
}

func (p *player) advance() {
	d := time.Duration(1+p.pick(12)) * 3 * time.Second
	p.note("advance %s", d)
	p.clock.Advance(d)
}

func (p *player) names() []string {
	if p.pick(2) == 0 {
		return nil
	}
	return []string{p.name(), p.name()}
}

func (p *player) redrive() {
	stage, names := p.stage(), p.names()
	p.note("redrive %s %v", stage, names)
	got, err := p.s.Redrive(p.ctx, stage, names)
	p.ok(err)
	p.equal(p.m.redrive(stage, names), got, "redriven")
}

func (p *player) purge() {
	stage, names, state := p.stage(), p.names(), api.States[p.pick(len(api.States))]
	p.note("purge %s %v %s", stage, names, state)
	got, err := p.s.Purge(p.ctx, stage, names, state)
	p.ok(err)
	p.equal(p.m.purge(stage, names, state), got, "purged")
}

func (p *player) forget() {
	before := p.clock.Now().Add(-time.Duration(p.pick(5)) * 9 * time.Second)
	p.note("forget")
	got, err := p.s.Forget(p.ctx, before, 1000)
	p.ok(err)
	p.equal(p.m.forget(before), got, "forgotten")
}

func (p *player) exported() {
	if len(p.m.results) == 0 {
		return
	}
	r := p.m.results[p.pick(len(p.m.results))]
	p.note("export %s", r.Name)
	p.ok(p.s.Exported(p.ctx, []int64{r.ID}))
	r.Exported = true
}

func (p *player) hold() {
	role, holder := "scale", []string{"one", "two"}[p.pick(2)]
	if p.pick(4) == 0 {
		p.note("unhold %s", holder)
		p.ok(p.s.Unhold(p.ctx, role, holder))
		if p.m.holds[role].holder == holder {
			delete(p.m.holds, role)
		}
		return
	}
	p.note("hold %s", holder)
	got, err := p.s.Hold(p.ctx, role, holder, 10*time.Second)
	p.ok(err)
	p.equal(p.m.hold(role, holder, 10*time.Second), got, "held")
}

func (p *player) mark() {
	key, value := fmt.Sprint("mark-", p.pick(2)), fmt.Sprint(p.pick(9))
	p.note("mark %s", key)
	p.ok(p.s.SetMark(p.ctx, key, value))
	p.m.marks[key] = value
}
