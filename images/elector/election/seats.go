package election

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// Status of an election, as one elector knows it.
type Status struct {
	// Leader is the member that holds the seat; "" if nobody does. Address is where it is reached.
	Leader, Address string
	// Self: this elector holds it, and for so long no other can.
	Self      bool
	ExpiresIn time.Duration
	// Leaving: this elector holds it, but gives it away, and does not lead any more. Nobody else leads yet.
	Leaving bool
	// Term grows with each leader; it is the fencing token.
	Term uint64
}

// What may be wrong with what is asked for.
var (
	ErrUnknown   = errors.New("there is no such election")
	ErrNotLeader = errors.New("another one leads")
	ErrNobody    = errors.New("there is no such member that is ready and stands")
)

// Status of an election.
func (a *Agent) Status(name string) (Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, ok := a.record[name]
	if !ok {
		return Status{}, ErrUnknown
	}
	s := a.held[key].Seats[name]
	out := Status{Leader: s.Member, Term: s.Term}
	if s.Session != "" {
		if v := a.slot(s.Slot); v.ID == s.Session {
			out.Address = v.Address
		}
	}
	if !a.holds(s) {
		return out, nil
	}
	left, leaves := a.own.valid-a.Clock.Now(), a.leaving[name] > 0
	if left > 0 && !leaves && !a.doubtful(name) {
		out.Self, out.ExpiresIn = true, left
		return out, nil
	}
	out.Leader, out.Address = "", "" // it is not known who leads
	out.Leaving = left > 0 && leaves
	return out, nil
}

// holds tells whether a seat is this session's.
func (a *Agent) holds(s seat) bool {
	return s.Session != "" && a.own.slot >= 0 && s.Session == a.own.ID
}

// Changed gives a channel that is closed when something changes after an index, and the index now.
func (a *Agent) Changed() (<-chan struct{}, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed, a.index
}

// Stand for an election, or do so no more, which resigns from it.
func (a *Agent) Stand(ctx context.Context, name string, stands bool) error {
	a.mu.Lock()
	if _, ok := a.record[name]; !ok {
		a.mu.Unlock()
		return ErrUnknown
	}
	if stands && !a.stands[name] {
		delete(a.yields, name) // it may have resigned before, and wants to lead all the same
	}
	a.stands[name] = stands
	a.notify()
	a.mu.Unlock()
	if stands {
		return nil
	}
	if err := a.Resign(ctx, name, ""); err != nil && !errors.Is(err, ErrNotLeader) {
		return err
	}
	return nil
}

// Anyone takes a seat that is resigned from in favour of it, if anybody is ready to lead; where it is not known who stands (Auto is
// not set) everybody is taken to be.
const Anyone = "*"

// Resign from a seat, in favour of a member, Anyone, or "" for whoever takes it some time. From the call on this elector is not the
// leader, unless it fails.
func (a *Agent) Resign(ctx context.Context, name, to string) error {
	if to != "" && to != Anyone {
		a.meet(ctx, to)
	}
	a.mu.Lock()
	key, ok := a.record[name]
	if !ok {
		a.mu.Unlock()
		return ErrUnknown
	}
	if !a.holds(a.held[key].Seats[name]) {
		a.mu.Unlock()
		return ErrNotLeader
	}
	next := seat{}
	switch to {
	case "":
	case Anyone: // the seat is free all the same: of those that seem to be ready one may have gone
		ok = !a.Auto || len(a.heirs()) > 0
	default:
		next, ok = a.member(to)
	}
	if !ok {
		a.mu.Unlock()
		return ErrNobody
	}
	if next.Session == "" {
		a.yields[name] = a.Clock.Now() + a.Lease.Duration
	}
	a.mu.Unlock()
	return a.handOver(ctx, map[string]seat{name: next})
}

// meet a member that has not been told of yet, and may be new.
func (a *Agent) meet(ctx context.Context, name string) {
	for slot := range a.slots {
		a.mu.Lock()
		_, known := a.member(name)
		a.mu.Unlock()
		if known {
			return
		}
		if r, err := a.get(ctx, config.SlotKey(slot)); err == nil {
			a.observe(r)
		}
	}
}

// member gives the seat of a member that lives.
func (a *Agent) member(name string) (is seat, ok bool) {
	newest := slotView{}
	for slot, v := range a.slots {
		// One that was killed may have come back by the same name, while its former session has not ended yet.
		if v.Member == name && v.ID != "" && !v.Ended && v.Ready && (!ok || v.seen > newest.seen) {
			newest, is, ok = v, seat{Session: v.ID, Slot: slot, Member: name}, true
		}
	}
	return is, ok
}

// change the seats of a record, as long as there is something to change, over conflicts.
func (a *Agent) change(ctx context.Context, key string, edit func(map[string]seat) bool) error {
	for {
		a.mu.Lock()
		v := a.held[key]
		next := seats{Revision: v.Revision + 1, Seats: maps.Clone(v.Seats)}
		edited := edit(next.Seats)
		version, generation := v.version, v.generation
		a.mu.Unlock()
		if !edited {
			return nil
		}
		is, err := a.put(ctx, key, next, version)
		if err == nil {
			a.observe(store.Record{Key: key, Value: encode(next), Version: is, Generation: generation})
			return nil
		}
		// After a conflict, and after any other error, the record says what is.
		r, readErr := a.get(ctx, key)
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		a.observe(r)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// take the free seats that it stands for.
func (a *Agent) take(ctx context.Context) {
	for _, key := range slices.Sorted(maps.Keys(a.shared)) {
		if !a.sure(ctx, key) {
			continue
		}
		err := a.change(ctx, key, func(all map[string]seat) bool {
			if a.own.slot < 0 || a.Clock.Now() >= a.own.valid || !a.ready || a.left {
				return false
			}
			edited := false
			shares := map[string]string{}
			if a.Auto {
				shares = a.shares()
			}
			for _, name := range a.shared[key] {
				if to, shared := shares[name]; shared && to != a.own.ID {
					continue // another one's
				}
				if s := all[name]; a.stands[name] && a.free(s) && a.Clock.Now() >= a.yields[name] {
					all[name] = seat{Session: a.own.ID, Slot: a.own.slot, Member: a.Member, Term: a.held[key].after(s.Term)}
					edited = true
				}
			}
			return edited
		})
		if err != nil && ctx.Err() == nil {
			a.Log.Warn("free seats were not taken", "record", key, "error", err.Error())
		}
	}
}

// after is the term that follows another: greater than it, and than all that there were before the table's generation.
func (v *seatsView) after(term uint64) uint64 { return max(term+1, v.generation) }

// free tells whether nobody holds a seat, for certain.
func (a *Agent) free(s seat) bool { return s.Session == "" || a.over[s.Session] }

// sure finds out whether the sessions that hold seats of a record have ended, where it seems so: what is told of one record may be
// later than what is told of another. It tells whether the record is known.
func (a *Agent) sure(ctx context.Context, key string) bool {
	a.mu.Lock()
	v := a.held[key]
	known := v.known
	doubtful := map[string]int{}
	for _, s := range v.Seats {
		if s.Session != "" && !a.over[s.Session] && s.Session != a.own.ID && a.slot(s.Slot).ID != s.Session {
			doubtful[s.Session] = s.Slot
		}
	}
	a.mu.Unlock()
	for id, slot := range doubtful {
		r, err := a.get(ctx, config.SlotKey(slot))
		if err != nil {
			continue
		}
		a.observe(r)
		is, err := decode[session](r)
		if err == nil && (is.ID != id || is.Ended) {
			a.mu.Lock()
			a.over[id] = true
			a.mu.Unlock()
		}
	}
	return known
}

// Leave hands over or gives up all seats, and ends the session.
func (a *Agent) Leave(ctx context.Context) {
	a.mu.Lock()
	a.left = true
	gifts := a.legacy()
	a.mu.Unlock()
	if len(gifts) > 0 {
		if err := a.handOver(ctx, gifts); err != nil {
			a.Log.Warn("seats were not handed over: they are free when the lease has run out", "error", err.Error())
		}
	}
	a.mu.Lock()
	was, last := a.own, a.own.session
	a.own = own{slot: -1}
	a.mu.Unlock()
	if was.slot < 0 {
		return
	}
	if err := a.endOwn(ctx, was.slot, last, was.version); err != nil {
		a.Log.Warn("the session was not ended: others wait until its lease has run out", "error", err.Error())
	}
}

// endOwn session, over a renewal that was on its way.
func (a *Agent) endOwn(ctx context.Context, slot int, is session, version string) error {
	for {
		is.Revision++
		is.Ended, is.Ready = true, false
		_, err := a.put(ctx, config.SlotKey(slot), is, version)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		r, err := a.get(ctx, config.SlotKey(slot))
		if err != nil {
			return err
		}
		now, err := decode[session](r)
		if err != nil || now.ID != is.ID || now.Ended {
			return err
		}
		is, version = now, r.Version
	}
}

// legacy is all that this elector holds, for others in turn; for nobody where there are none, or they stand only when they are asked
// to. The caller holds the lock.
func (a *Agent) legacy() map[string]seat {
	gifts, next := map[string]seat{}, 0
	heirs := a.heirs()
	for _, name := range slices.Sorted(maps.Keys(a.record)) {
		if !a.holds(a.held[a.record[name]].Seats[name]) {
			continue
		}
		gifts[name] = seat{}
		if len(heirs) > 0 && a.Auto {
			gifts[name] = heirs[next%len(heirs)]
			next++
		}
	}
	return gifts
}

// heirs are the seats for those that may get what one who leaves has held.
func (a *Agent) heirs() (all []seat) {
	for slot, v := range a.slots {
		if slot != a.own.slot && v.ID != "" && !v.Ended && v.Ready {
			all = append(all, seat{Session: v.ID, Slot: slot, Member: v.Member})
		}
	}
	return all
}

// Term of an election: as this elector knows it where it leads itself, and as the store has it otherwise.
func (a *Agent) Term(ctx context.Context, name string) (uint64, error) {
	s, err := a.Status(name)
	if err != nil || s.Self {
		return s.Term, err
	}
	key := a.record[name]
	r, err := a.get(ctx, key)
	if err != nil {
		return 0, err
	}
	a.observe(r)
	s, err = a.Status(name)
	return s.Term, err
}

// Joined tells whether it has a session, and is known to the others.
func (a *Agent) Joined() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own.slot >= 0
}

// Names of all elections, those of sets among them, sorted.
func (a *Agent) Names() []string { return slices.Sorted(maps.Keys(a.record)) }
