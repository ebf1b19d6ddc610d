// Package election is how electors agree on leaders, by a store that has nothing but compare-and-set.
//
// Each elector has a session, a record that it writes again and again. Who sees a session unchanged for the lease's duration, by a
// clock of his own, ends it: by compare-and-set, so that a session that was only slow is either ended or goes on, and both
// sides know. Each election has a seat, which names the session that holds it, and a term that grows with each holder. A seat
// whose session has ended is free. So the store is asked as often for a thousand elections as it is for one, and a holder that
// was paused, or cut off, has lost its seats before anybody else can have them: it stops calling itself the leader when its
// last renewal that succeeded was sent longer ago than the renew deadline, which is shorter than the duration.
//
// (Sessions with locks are those of Chubby: Burrows, "The Chubby lock service for loosely-coupled distributed systems", OSDI 2006;
// so are sequencers, which are called fencing tokens here.)
package election

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// A Lease rules how long a leader may be silent.
type Lease struct {
	// Duration that others wait for a sign of life before they end a session.
	Duration time.Duration
	// RenewDeadline after which a leader that could not renew calls itself so no more. What is between it and Duration is the
	// margin for clocks that do not go alike.
	RenewDeadline time.Duration
	// RetryPeriod between renewals.
	RetryPeriod time.Duration
}

// Options of an Agent.
type Options struct {
	Store store.Store
	Clock Clock
	// Member is this elector's name, unique among those that live; Address is where it is reached.
	Member, Address string
	// Slots are how many electors there can be at once.
	Slots int
	Lease Lease
	// Elections by their names, and sets by their names with their numbers of shards.
	Elections []string
	Sets      map[string]int
	// Auto has it stand for all elections; otherwise it does where Stand was called.
	Auto bool
	// Unready until SetReady says otherwise.
	Unready bool
	// Demoted is called before a seat is given away, when this elector has ceased to call itself the leader; for many seats at once
	// where many are given away. Nil is nothing.
	Demoted func(ctx context.Context, election string)
	Log     *slog.Logger
}

// An Agent is one elector. It is safe for concurrent use.
type Agent struct {
	Options
	// shared are the records of seats, by key, with the elections in each.
	shared map[string][]string
	record map[string]string // of an election
	sets   map[string][]string

	mu      sync.Mutex
	own     own
	slots   []slotView
	held    map[string]*seatsView
	stands  map[string]bool
	leaving map[string]int           // seats that it holds and gives away: how many are at it
	doubts  map[string]string        // versions of records of which it has sent a next one that gives such a seat away
	yields  map[string]time.Duration // until when it leaves seats that it has resigned from to others
	over    map[string]bool          // sessions that have ended for certain
	ready   bool                     // what it is beside is, to lead
	left    bool
	changed chan struct{} // closed at the next change
	index   uint64        // of changes
	wake    chan struct{}
	hurry   chan struct{}
}

// own session.
type own struct {
	session
	slot       int // -1: none
	version    string
	generation uint64
	// valid until then: nobody can have ended it.
	valid time.Duration
	// attempted revision, and when it was first sent; 0 if none is in doubt.
	attempted uint64
	sent      time.Duration
}

type slotView struct {
	session
	generation uint64
	version    string
	known      bool
	seen       time.Duration // when this revision was first seen
}

// patience that the session asks of others.
func (v slotView) patience() time.Duration { return time.Duration(v.DurationMS) * time.Millisecond }

// slot as it was last seen. While a revision replaces another, there may be slots that only the others know.
func (a *Agent) slot(n int) slotView {
	if n < 0 || n >= len(a.slots) {
		return slotView{}
	}
	return a.slots[n]
}

type seatsView struct {
	seats
	generation uint64
	version    string
	known      bool
}

// outdates tells whether a revision in a generation is newer than another.
func outdates(generation, revision, oldGeneration, oldRevision uint64) bool {
	return generation > oldGeneration || generation == oldGeneration && revision > oldRevision
}

// New makes an Agent, which does nothing before Run.
func New(o Options) *Agent {
	a := &Agent{
		Options: o, shared: map[string][]string{}, record: map[string]string{}, sets: map[string][]string{}, own: own{slot: -1}, slots: make([]slotView, o.Slots),
		held: map[string]*seatsView{}, stands: map[string]bool{}, leaving: map[string]int{}, doubts: map[string]string{}, yields: map[string]time.Duration{}, over: map[string]bool{}, ready: !o.Unready,
		changed: make(chan struct{}), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
	}
	if a.Demoted == nil {
		a.Demoted = func(context.Context, string) {}
	}
	add := func(key, name string) {
		a.shared[key], a.record[name] = append(a.shared[key], name), key
		if a.held[key] == nil {
			a.held[key] = &seatsView{seats: seats{Seats: map[string]seat{}}}
		}
		a.stands[name] = o.Auto
	}
	for _, name := range o.Elections {
		add(config.ElectionKey(name), name)
	}
	for _, set := range slices.Sorted(maps.Keys(o.Sets)) {
		for shard := range o.Sets[set] {
			add(config.ShardKey(set, shard), ShardName(set, shard))
			a.sets[set] = append(a.sets[set], ShardName(set, shard))
		}
	}
	return a
}

// Run takes part until the context ends. It then resigns from nothing: see Leave.
func (a *Agent) Run(ctx context.Context) {
	var keys []string
	for slot := range a.slots {
		keys = append(keys, config.SlotKey(slot))
	}
	keys = slices.AppendSeq(keys, maps.Keys(a.shared))
	var watching sync.WaitGroup
	watching.Go(func() { a.Store.Watch(ctx, keys, a.observe) })
	watching.Go(func() { a.expire(ctx) })
	defer watching.Wait()
	giving := make(chan struct{}, 1)
	next := a.Clock.After(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake: // there may be something to take
			a.take(ctx)
			continue
		case <-a.lapse(): // of another's session
			a.end(ctx)
			a.take(ctx)
			continue
		case <-a.hurry:
		case <-next:
		}
		next = a.Clock.After(a.Lease.RetryPeriod)
		a.renew(ctx)
		a.settle(ctx)
		a.end(ctx)
		a.take(ctx)
		select {
		case giving <- struct{}{}: // it waits for the application, which no renewal must
			watching.Go(func() { a.give(ctx); <-giving })
		default:
		}
	}
}

// lapse is when the first of the others' sessions may be ended, unless it renews; nil if there is none. One that could not be ended
// is tried again with the next renewal.
func (a *Agent) lapse() <-chan time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, next := a.Clock.Now(), time.Duration(0)
	for slot, v := range a.slots {
		if left := v.seen + v.patience() - now; slot != a.own.slot && v.known && v.ID != "" && !v.Ended && left > 0 && (next == 0 || left < next) {
			next = left
		}
	}
	if next == 0 {
		return nil
	}
	return a.Clock.After(next)
}

// expire tells who waits for changes when the session has run out, which happens without a word from anybody.
func (a *Agent) expire(ctx context.Context) {
	told := time.Duration(0)
	for {
		a.mu.Lock()
		changed, valid := a.changed, a.own.valid
		left := valid - a.Clock.Now()
		if left <= 0 && valid > told {
			told = valid
			a.notify()
			changed = a.changed
		}
		a.mu.Unlock()
		var lapse <-chan time.Time
		if left > 0 {
			lapse = a.Clock.After(left)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-lapse:
		}
	}
}

// SetReady says whether what this elector is beside can lead. If it cannot, others get its seats; if none of them can either, it
// keeps them.
func (a *Agent) SetReady(ready bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ready == a.ready {
		return
	}
	a.ready = ready
	select {
	case a.hurry <- struct{}{}:
	default:
	}
}

// call the store: none may take longer than there is time for.
func (a *Agent) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return err
	case <-a.Clock.After(a.Lease.RenewDeadline / 2):
		cancel()
		return <-done
	}
}

func (a *Agent) get(ctx context.Context, key string) (r store.Record, err error) {
	err = a.call(ctx, func(ctx context.Context) error { r, err = a.Store.Get(ctx, key); return err })
	return r, err
}

func (a *Agent) put(ctx context.Context, key string, value any, version string) (is string, err error) {
	err = a.call(ctx, func(ctx context.Context) error { is, err = a.Store.Put(ctx, key, encode(value), version); return err })
	return is, err
}

// observe a record, as it is told or as it was read.
func (a *Agent) observe(r store.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if held := a.held[r.Key]; held != nil {
		a.observeSeats(held, r)
		return
	}
	for slot := range a.slots {
		if config.SlotKey(slot) == r.Key {
			a.observeSlot(slot, r)
			return
		}
	}
}

func (a *Agent) observeSlot(slot int, r store.Record) {
	is, err := decode[session](r)
	if err != nil {
		a.Log.Error("a record is of no use", "error", err.Error())
		return
	}
	v := &a.slots[slot]
	if v.known && !outdates(r.Generation, is.Revision, v.generation, v.Revision) {
		return // it is known, or older
	}
	if v.ID != "" && v.ID != is.ID || is.Ended {
		a.over[v.ID], a.over[is.ID] = true, is.Ended
		delete(a.over, "")
	}
	*v = slotView{session: is, generation: r.Generation, version: r.Version, known: true, seen: a.Clock.Now()}
	if slot == a.own.slot && (is.ID != a.own.ID || is.Ended) {
		a.lost()
	}
	a.notify()
}

func (a *Agent) observeSeats(v *seatsView, r store.Record) {
	is, err := decode[seats](r)
	if err != nil {
		a.Log.Error("a record is of no use", "error", err.Error())
		return
	}
	if v.known && !outdates(r.Generation, is.Revision, v.generation, v.Revision) {
		return
	}
	if is.Seats == nil {
		is.Seats = map[string]seat{}
	}
	*v = seatsView{seats: is, generation: r.Generation, version: r.Version, known: true}
	for name, s := range is.Seats {
		if s.Session != "" && s.Session != a.own.ID {
			delete(a.yields, name) // another one has it, as was wished
		}
	}
	a.notify()
}

// notify who waits for changes.
func (a *Agent) notify() {
	a.index++
	close(a.changed)
	a.changed = make(chan struct{})
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// lost the session: it holds nothing any more.
func (a *Agent) lost() {
	if a.own.slot >= 0 {
		a.Log.Warn("the session has ended: others have not heard of it for the lease's duration", "session", a.own.ID)
	}
	a.own = own{slot: -1}
	a.notify()
}

// renew the session, or begin one.
func (a *Agent) renew(ctx context.Context) {
	a.mu.Lock()
	if a.own.slot < 0 {
		joins := !a.left // who has left stays away
		a.mu.Unlock()
		if joins {
			a.join(ctx)
		}
		return
	}
	was, next := a.own, a.own.session
	next.Revision++
	next.Ready = a.ready && !a.left
	sent := a.Clock.Now()
	if a.own.attempted != next.Revision {
		a.own.attempted, a.own.sent = next.Revision, sent
	}
	a.mu.Unlock()
	version, err := a.put(ctx, config.SlotKey(was.slot), next, was.version)
	switch {
	case err == nil:
		a.renewed(was.ID, next, version, was.generation, sent)
	case errors.Is(err, store.ErrConflict):
		// Either somebody has ended it, or an attempt that seemed to fail has been written.
		r, err := a.get(ctx, config.SlotKey(was.slot))
		if err != nil {
			a.Log.Warn("the session could not be read", "error", err.Error())
			return
		}
		is, err := decode[session](r)
		if err == nil && is.ID == was.ID && !is.Ended && is.Revision == next.Revision {
			a.mu.Lock()
			first := a.own.sent
			a.mu.Unlock()
			a.renewed(was.ID, is, r.Version, r.Generation, first)
			return
		}
		a.observe(r)
		a.mu.Lock()
		if a.own.ID == was.ID && a.own.slot >= 0 {
			a.lost()
		}
		a.mu.Unlock()
	case ctx.Err() == nil:
		a.Log.Warn("the session was not renewed", "error", err.Error())
	}
}

// renewed by what was sent at a time.
func (a *Agent) renewed(id string, is session, version string, generation uint64, sent time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.own.ID != id {
		return
	}
	a.own.session, a.own.version, a.own.generation, a.own.attempted = is, version, generation, 0
	was := a.own.valid
	a.own.valid = sent + a.Lease.RenewDeadline
	a.slots[a.own.slot] = slotView{session: is, generation: generation, version: version, known: true, seen: a.Clock.Now()}
	if a.Clock.Now() >= was { // it had been in doubt
		a.notify()
	}
}

// join by a slot that nobody has.
func (a *Agent) join(ctx context.Context) {
	a.mu.Lock()
	views := slices.Clone(a.slots)
	a.mu.Unlock()
	for slot, v := range views {
		if !v.known || v.ID != "" && !v.Ended {
			continue
		}
		next := session{
			Revision: v.Revision + 1, ID: rand.Text(), Member: a.Member, Address: a.Address, DurationMS: a.Lease.Duration.Milliseconds(), Ready: a.ready,
		}
		sent := a.Clock.Now()
		version, err := a.put(ctx, config.SlotKey(slot), next, v.version)
		if err != nil {
			// If it was written all the same, that session is never renewed, and ends.
			if r, err := a.get(ctx, config.SlotKey(slot)); err == nil {
				a.observe(r)
			}
			continue
		}
		a.mu.Lock()
		a.own = own{session: next, slot: slot}
		a.mu.Unlock()
		a.renewed(next.ID, next, version, v.generation, sent)
		return
	}
}

// end sessions of which nothing was heard.
func (a *Agent) end(ctx context.Context) {
	a.mu.Lock()
	now := a.Clock.Now()
	late := map[int]slotView{}
	for slot, v := range a.slots {
		if slot != a.own.slot && v.known && v.ID != "" && !v.Ended && now-v.seen >= v.patience() {
			late[slot] = v
		}
	}
	a.mu.Unlock()
	for slot, v := range late {
		next := v.session
		next.Revision++
		next.Ended, next.Ready = true, false
		version, err := a.put(ctx, config.SlotKey(slot), next, v.version)
		if err == nil {
			a.Log.Info("a session was ended: nothing was heard of it for the lease's duration", "member", v.Member, "session", v.ID)
			a.observe(store.Record{Key: config.SlotKey(slot), Value: encode(next), Version: version, Generation: v.generation})
			continue
		}
		if r, err := a.get(ctx, config.SlotKey(slot)); err == nil {
			a.observe(r)
		}
	}
}
