package storetest

import (
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

const everything = 10_000

// compare all that can be read with the model, and see that the counters are what is listed.
func (p *player) compare() {
	p.t.Helper()
	for stage := range p.m.totals {
		p.compareItems(stage)
	}
	p.compareResults()
	p.compareFamilies()
	stats, err := p.s.Stats(p.ctx)
	p.ok(err)
	for name, one := range stats.Stages {
		one.Oldest = utc(one.Oldest)
		stats.Stages[name] = one
	}
	p.equal(p.m.stats(), stats, "stats")
	for key, value := range p.m.marks {
		got, err := p.s.Mark(p.ctx, key)
		p.ok(err)
		p.equal(value, got, "mark")
	}
	used := map[string]bool{"blob:1": false, "blob:2": false}
	for _, item := range p.m.items {
		used["blob:1"] = used["blob:1"] || item.Payload.Ref != ""
	}
	for _, r := range p.m.results {
		used["blob:1"] = used["blob:1"] || r.Payload.Ref != ""
	}
	got, err := p.s.Referenced(p.ctx, []string{"blob:1", "blob:2"})
	p.ok(err)
	p.equal(used, got, "referenced")
}

func (p *player) compareItems(stage string) {
	p.t.Helper()
	for _, state := range append([]api.State{""}, api.States...) {
		got, err := p.s.List(p.ctx, store.Query{Stage: stage, State: state, Limit: everything})
		p.ok(err)
		i := 0
		for _, item := range p.m.items {
			if item.Stage != stage || (state != "" && item.State != state) {
				continue
			}
			if i == len(got) {
				p.equal(i+1, i, "number of items listed as "+string(state))
			}
			if item.ID == 0 { // made by a commit
				item.ID = got[i].ID
			}
			p.equal(item.plain(false), normal(got[i]), "listed as "+string(state))
			i++
		}
		p.equal(i, len(got), "number of items listed as "+string(state))
	}
}

func (p *player) compareResults() {
	p.t.Helper()
	got, err := p.s.Results(p.ctx, store.ResultQuery{Limit: everything})
	p.ok(err)
	p.equal(len(p.m.results), len(got), "number of results")
	unexported := 0
	for i, r := range p.m.results {
		r.ID = got[i].ID
		p.equal(plainResult(*r), plainResult(got[i]), "result")
		if !r.Exported {
			unexported++
		}
	}
	got, err = p.s.Results(p.ctx, store.ResultQuery{Limit: everything, Unexported: true})
	p.ok(err)
	p.equal(unexported, len(got), "number of unexported results")
}

// compareFamilies of a few items: what each was made from and what was made from it.
func (p *player) compareFamilies() {
	p.t.Helper()
	for _, item := range p.m.items[max(0, len(p.m.items)-4):] {
		input, items, results, err := p.s.Family(p.ctx, item.ID)
		p.ok(err)
		if item.from == nil || !slices.Contains(p.m.items, item.from) {
			p.equal((*store.Item)(nil), input, "input")
		} else {
			p.equal(item.from.plain(false), normal(*input), "input")
		}
		var made []store.Item
		for _, other := range p.m.items {
			if other.from == item {
				made = append(made, other.plain(false))
			}
		}
		p.equal(len(made), len(items), "items made")
		for i := range items {
			p.equal(made[i], normal(items[i]), "items made")
		}
		n := 0
		for _, r := range p.m.results {
			if r.Input == item.ID {
				p.equal(r.Name, results[n].Name, "results made")
				n++
			}
		}
		p.equal(n, len(results), "results made")
	}
}

// plain item as a store gives it.
func (item *modelItem) plain(data bool) store.Item {
	plain := item.Item
	if item.from != nil {
		plain.Input = item.from.ID
	}
	if !data || len(plain.Payload.Data) == 0 {
		plain.Payload.Data = nil
	}
	return normal(plain)
}

// normal form: times in UTC, no empty data.
func normal(item store.Item) store.Item {
	item.Created, item.Changed, item.Due = utc(item.Created), utc(item.Changed), utc(item.Due)
	if len(item.Payload.Data) == 0 {
		item.Payload.Data = nil
	}
	return item
}

func plainResult(r store.Result) store.Result {
	r.Created = utc(r.Created)
	if len(r.Payload.Data) == 0 {
		r.Payload.Data = nil
	}
	return r
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
