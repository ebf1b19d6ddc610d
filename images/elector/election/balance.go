package election

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// share says who should get which seats of a set, by what is known of it: free seats go to those that have the fewest, and who has
// two more than another gives one away. All that know the same come to the same, and no seat moves that need not.
//
// Holders are sessions; of seats that nobody holds, "". Members are the sessions that may hold seats.
func share(seats []string, holder map[string]string, members []string) (to map[string]string) {
	to = map[string]string{}
	if len(members) == 0 {
		return to
	}
	has := map[string][]string{}
	for _, name := range seats {
		if h := holder[name]; slices.Contains(members, h) {
			has[h] = append(has[h], name)
		}
	}
	fewest := func() string {
		return slices.MinFunc(members, func(a, b string) int { return len(has[a]) - len(has[b]) })
	}
	most := func() string {
		return slices.MaxFunc(members, func(a, b string) int { return len(has[a]) - len(has[b]) })
	}
	for _, name := range seats {
		if holder[name] == "" {
			m := fewest()
			to[name] = m
			has[m] = append(has[m], name)
		}
	}
	for {
		from, m := most(), fewest()
		if len(has[from])-len(has[m]) < 2 {
			return to
		}
		last := len(has[from]) - 1
		name := has[from][last]
		has[from], has[m] = has[from][:last], append(has[m], name)
		to[name] = m
	}
}

// shares of all sets: the sessions that should get seats. The caller holds the lock.
func (a *Agent) shares() map[string]string {
	out := map[string]string{}
	var members []string
	for _, v := range a.slots {
		if v.ID != "" && !v.Ended && v.Ready {
			members = append(members, v.ID)
		}
	}
	slices.Sort(members)
	for _, names := range a.sets {
		holder := map[string]string{}
		for _, name := range names {
			if s := a.held[a.record[name]].Seats[name]; !a.free(s) {
				holder[name] = s.Session
			}
		}
		maps.Copy(out, share(names, holder, members))
	}
	return out
}

// give away the seats of sets of which this elector has too many, and all seats if what it is beside cannot lead and others can.
func (a *Agent) give(ctx context.Context) {
	a.mu.Lock()
	gifts := map[string]seat{}
	if a.Auto && a.own.slot >= 0 {
		for name, session := range a.shares() {
			if session == a.own.ID || a.leaving[name] > 0 || !a.holds(a.held[a.record[name]].Seats[name]) {
				continue
			}
			for slot, v := range a.slots {
				if v.ID == session {
					gifts[name] = seat{Session: session, Slot: slot, Member: v.Member}
				}
			}
		}
	}
	if a.Auto && !a.ready && !a.left && len(a.heirs()) > 0 {
		gifts = a.legacy()
	}
	a.mu.Unlock()
	if len(gifts) == 0 {
		return
	}
	if err := a.handOver(ctx, gifts); err != nil && ctx.Err() == nil {
		a.Log.Warn("seats were not given away", "error", err.Error())
	}
}

// handOver seats, many of one record at once. This elector leads them no more from the call on.
func (a *Agent) handOver(ctx context.Context, gifts map[string]seat) error {
	a.mu.Lock()
	keys := map[string]bool{}
	for name := range gifts {
		a.leaving[name]++
		keys[a.record[name]] = true
	}
	a.notify()
	a.mu.Unlock()
	var told sync.WaitGroup
	for name := range gifts {
		told.Go(func() { a.Demoted(ctx, name) })
	}
	told.Wait()
	defer func() {
		a.mu.Lock()
		for name := range gifts {
			if a.leaving[name]--; a.leaving[name] <= 0 {
				delete(a.leaving, name)
			}
		}
		a.notify()
		a.mu.Unlock()
	}()
	var failed error
	for key := range keys {
		err := a.change(ctx, key, func(all map[string]seat) bool {
			edited := false
			for name, to := range gifts {
				was := all[name]
				if a.record[name] != key || !a.holds(was) {
					continue
				}
				to.Term = was.Term
				if to.Session != "" {
					to.Term = a.held[key].after(was.Term)
				}
				all[name] = to
				a.doubts[name] = a.held[key].version
				edited = true
			}
			return edited
		})
		failed = errors.Join(failed, err)
	}
	return failed
}

// doubtful tells whether a seat may have been given away: that was sent, and no answer has come. What is on its way may be written
// as long as the record has the version that was named with it, even if it was read since. The caller holds the lock.
func (a *Agent) doubtful(name string) bool {
	version, sent := a.doubts[name]
	return sent && version == a.held[a.record[name]].version
}

// settle doubts about seats, by writing their records as they are: either that succeeds, and what is on its way cannot any more, or
// it conflicts, and what has been written is read.
func (a *Agent) settle(ctx context.Context) {
	for _, key := range slices.Sorted(maps.Keys(a.shared)) {
		err := a.change(ctx, key, func(all map[string]seat) bool {
			return slices.ContainsFunc(a.shared[key], func(name string) bool {
				return a.leaving[name] == 0 && a.doubtful(name) && a.holds(all[name])
			})
		})
		if err != nil && ctx.Err() == nil {
			a.Log.Warn("it is not known whether seats were given away", "record", key, "error", err.Error())
		}
	}
}
