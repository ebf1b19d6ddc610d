package storetest

import (
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// A model is a store as simple as can be: slices, looked through from the start. Where an item's ID is asked for, it is
// that of the real store, which is told after each step.
type model struct {
	now     func() time.Time
	window  time.Duration
	items   []*modelItem // by ID
	results []*store.Result
	totals  map[string]*store.StageStats
	seen    map[[2]string]seen // deduplication IDs by stage and ID
	marks   map[string]string
	holds   map[string]hold
}

type modelItem struct {
	store.Item
	lease bool // that of Epoch is good
	from  *modelItem
}

type seen struct {
	at   time.Time
	item *modelItem
}

type hold struct {
	holder string
	until  time.Time
}

func newModel(now func() time.Time, window time.Duration) *model {
	return &model{
		now: now, window: window, totals: map[string]*store.StageStats{}, seen: map[[2]string]seen{},
		marks: map[string]string{}, holds: map[string]hold{},
	}
}

func (m *model) find(stage, name string) *modelItem {
	for _, item := range m.items {
		if item.Stage == stage && item.Name == name {
			return item
		}
	}
	return nil
}

// head of an item's group, if it has one.
func (m *model) head(stage, group string) *modelItem {
	for _, item := range m.items {
		if group != "" && item.Stage == stage && item.Group == group && live(item) && item.State != api.Blocked {
			return item
		}
	}
	return nil
}

func live(item *modelItem) bool { return item.State != api.Done && item.State != api.Dead }

func (m *model) total(stage string) *store.StageStats {
	if m.totals[stage] == nil {
		m.totals[stage] = &store.StageStats{}
	}
	return m.totals[stage]
}

// set a state; due is zero for none.
func (m *model) set(item *modelItem, state api.State, due time.Time) {
	item.State, item.Changed, item.Due = state, m.now(), due
	switch state {
	case api.Done:
		m.total(item.Stage).DoneTotal++
	case api.Dead:
		m.total(item.Stage).DeadTotal++
	}
	if !live(item) {
		item.lease = false
		m.unblock(item.Stage, item.Group)
	}
}

func (m *model) unblock(stage, group string) {
	if group == "" || m.head(stage, group) != nil {
		return
	}
	for _, item := range m.items {
		if item.Stage == stage && item.Group == group && item.State == api.Blocked {
			m.wait(item, item.Due)
			return
		}
	}
}

// wait until due, or at once.
func (m *model) wait(item *modelItem, due time.Time) {
	if due.After(m.now()) {
		m.set(item, api.Delayed, due)
	} else {
		m.set(item, api.Waiting, time.Time{})
	}
}

// enqueue says which item has the name now, and whether it had it before.
func (m *model) enqueue(n store.NewItem, from *modelItem) (*modelItem, bool) {
	m.total(n.Stage)
	key := [2]string{n.Stage, n.DeduplicationID}
	if from == nil && n.DeduplicationID != "" {
		if s, ok := m.seen[key]; ok && s.at.After(m.now().Add(-m.window)) {
			return s.item, true
		}
	}
	if there := m.find(n.Stage, n.Name); there != nil {
		return there, true
	}
	item := &modelItem{Item: store.Item{
		Stage: n.Stage, Name: n.Name, Priority: n.Priority, Group: n.Group, Payload: n.Payload, Created: m.now(), Changed: m.now(),
	}, from: from}
	var due time.Time
	if n.Delay > 0 {
		due = m.now().Add(n.Delay)
	}
	if m.head(n.Stage, n.Group) != nil {
		item.State, item.Due = api.Blocked, due
	} else {
		m.wait(item, due)
	}
	m.items = append(m.items, item)
	if from == nil && n.DeduplicationID != "" {
		m.seen[key] = seen{m.now(), item}
	}
	return item, false
}

func (m *model) receive(r store.Receive) []*modelItem {
	var waiting []*modelItem
	for _, item := range m.items {
		if item.Stage == r.Stage && item.State == api.Waiting {
			waiting = append(waiting, item)
		}
	}
	slices.SortStableFunc(waiting, func(a, b *modelItem) int { return b.Priority - a.Priority })
	waiting = waiting[:min(len(waiting), r.Max)]
	for _, item := range waiting {
		item.Epoch++
		item.Attempt++
		item.Worker, item.Index, item.lease = r.Worker, r.Index, true
		m.set(item, api.InFlight, r.Until)
	}
	return waiting
}

// leased item, nil if the lease is not good.
func (m *model) leased(lease store.Lease) *modelItem {
	for _, item := range m.items {
		if item.Lease == lease && item.lease {
			return item
		}
	}
	return nil
}

func (m *model) extend(lease store.Lease, until time.Time) error {
	item := m.leased(lease)
	switch {
	case item == nil:
		return store.ErrLeaseLost
	case item.State != api.InFlight:
		m.set(item, api.InFlight, until)
	case until.After(item.Due):
		item.Due = until
	}
	return nil
}

func (m *model) commit(c store.Commit) error {
	item := m.leased(c.Lease)
	if item == nil {
		return store.ErrLeaseLost
	}
	made := map[[2]string]bool{}
	for _, n := range c.Items {
		if m.find(n.Stage, n.Name) != nil || made[[2]string{n.Stage, n.Name}] {
			return store.ErrNameTaken
		}
		made[[2]string{n.Stage, n.Name}] = true
	}
	for _, r := range c.Results {
		if m.result(r.Name) != nil || made[[2]string{"", r.Name}] {
			return store.ErrNameTaken
		}
		made[[2]string{"", r.Name}] = true
	}
	// What is made into the item's own group comes behind those that are there: the item is the head until then.
	for _, n := range c.Items {
		m.enqueue(n, item)
	}
	for _, r := range c.Results {
		m.results = append(m.results, &store.Result{
			Name: r.Name, Payload: r.Payload, Created: m.now(), Stage: item.Stage, Item: item.Name, Input: item.ID,
		})
	}
	item.Failure = nil
	m.set(item, api.Done, time.Time{})
	return nil
}

func (m *model) result(name string) *store.Result {
	for _, r := range m.results {
		if r.Name == name {
			return r
		}
	}
	return nil
}

func (m *model) giveBack(b store.GiveBack) error {
	item := m.leased(b.Lease)
	if item == nil {
		return store.ErrLeaseLost
	}
	item.lease = false
	if b.Failure != nil {
		item.Failure = b.Failure
	}
	switch {
	case b.Release:
		item.Attempt--
		m.set(item, api.Waiting, time.Time{})
	case b.Dead:
		m.set(item, api.Dead, time.Time{})
	default:
		m.wait(item, m.now().Add(b.Delay))
	}
	return nil
}

func (m *model) tick(rule func(string) store.Rule) (next time.Time) {
	var due []*modelItem
	for _, item := range m.items {
		if (item.State == api.Delayed || item.State == api.InFlight) && !item.Due.After(m.now()) {
			due = append(due, item)
		}
	}
	for _, item := range due {
		r := rule(item.Stage)
		switch {
		case item.State == api.Delayed:
			m.set(item, api.Waiting, time.Time{})
			continue
		case item.Attempt >= r.MaxAttempts:
			m.set(item, api.Dead, time.Time{})
		default:
			m.wait(item, m.now().Add(r.Delay(item.Attempt)))
		}
		item.Failure = &api.Failure{Reason: "lease expired", Worker: item.Worker}
	}
	for _, item := range m.items {
		if (item.State == api.Delayed || item.State == api.InFlight) && (next.IsZero() || item.Due.Before(next)) {
			next = item.Due
		}
	}
	return next
}

// choose items: those of the names, in their order, or all of a state.
func (m *model) choose(stage string, names []string, state api.State) []*modelItem {
	var chosen []*modelItem
	for _, name := range names {
		if item := m.find(stage, name); item != nil {
			chosen = append(chosen, item)
		}
	}
	for _, item := range m.items {
		if names == nil && item.Stage == stage && item.State == state {
			chosen = append(chosen, item)
		}
	}
	return chosen
}

func (m *model) redrive(stage string, names []string) (n int) {
	chosen := m.choose(stage, names, api.Dead)
	slices.SortStableFunc(chosen, func(a, b *modelItem) int {
		if names != nil {
			return 0
		}
		return b.Priority - a.Priority
	})
	for _, item := range chosen {
		if item.State != api.Dead {
			continue
		}
		n++
		item.Attempt = 0
		if m.head(item.Stage, item.Group) != nil {
			m.set(item, api.Blocked, time.Time{})
		} else {
			m.set(item, api.Waiting, time.Time{})
		}
	}
	return n
}

func (m *model) purge(stage string, names []string, state api.State) (n int) {
	for _, item := range m.choose(stage, names, state) {
		if item.State != api.InFlight && slices.Contains(m.items, item) {
			n++
			m.remove(item)
			m.unblock(item.Stage, item.Group)
		}
	}
	return n
}

func (m *model) remove(item *modelItem) {
	m.items = slices.DeleteFunc(m.items, func(other *modelItem) bool { return other == item })
}

func (m *model) forget(before time.Time) (n int) {
	for _, item := range slices.Clone(m.items) {
		if item.State == api.Done && item.Changed.Before(before) {
			m.remove(item)
			n++
		}
	}
	return n
}

func (m *model) hold(role, holder string, ttl time.Duration) bool {
	h, ok := m.holds[role]
	if ok && h.holder != holder && h.until.After(m.now()) {
		return false
	}
	m.holds[role] = hold{holder, m.now().Add(ttl)}
	return true
}

func (m *model) stats() store.Stats {
	stats := store.Stats{Stages: map[string]store.StageStats{}, Results: int64(len(m.results))}
	for name, total := range m.totals {
		one := *total
		one.Counts = map[api.State]int64{}
		for _, state := range api.States {
			one.Counts[state] = 0
		}
		for _, item := range m.items {
			if item.Stage != name {
				continue
			}
			one.Counts[item.State]++
			if item.State == api.Waiting && (one.Oldest.IsZero() || item.Changed.Before(one.Oldest)) {
				one.Oldest = item.Changed
			}
		}
		stats.Stages[name] = one
	}
	for _, r := range m.results {
		if r.Exported {
			stats.Exported++
		}
	}
	return stats
}
