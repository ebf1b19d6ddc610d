package election

import (
	"context"
	"errors"
	"maps"
	"slices"
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

// give away the seats of sets of which this elector has too many.
func (a *Agent) give(ctx context.Context) {
	a.mu.Lock()
	gifts := map[string]seat{}
	if a.Auto && a.own.slot >= 0 {
		for name, session := range a.shares() {
			if session == a.own.ID || !a.holds(a.held[a.record[name]].Seats[name]) {
				continue
			}
			for slot, v := range a.slots {
				if v.ID == session {
					gifts[name] = seat{Session: session, Slot: slot, Member: v.Member}
				}
			}
		}
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
		a.leaving[name] = true
		keys[a.record[name]] = true
	}
	a.notify()
	a.mu.Unlock()
	for name := range gifts {
		a.Demoted(ctx, name)
	}
	defer func() {
		a.mu.Lock()
		for name := range gifts {
			delete(a.leaving, name)
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
				edited = true
			}
			return edited
		})
		failed = errors.Join(failed, err)
	}
	return failed
}
