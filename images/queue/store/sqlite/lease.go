package sqlite

import (
	"context"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/failure"
)

// Receive leases items.
func (s *Store) Receive(ctx context.Context, r store.Receive) ([]store.Item, error) {
	var items []store.Item
	if counters := s.counters.Load(); !counters.anyWaiting(r.Stage) {
		return nil, ctx.Err()
	}
	err := s.write(ctx, r.Max, func(w *writer) (err error) {
		items, err = w.receive(&r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// anyWaiting saves a write for who asks an empty stage. A clone holds what has been answered: an item that was enqueued
// before is seen.
func (c *counters) anyWaiting(name string) bool {
	for _, s := range c.stages {
		if s.name == name {
			return s.counts[waiting] > 0
		}
	}
	return false
}

func (w *writer) receive(r *store.Receive) ([]store.Item, error) {
	stage := w.count.byName[r.Stage]
	if stage == nil || stage.counts[waiting] == 0 || r.Max <= 0 {
		return nil, nil
	}
	var items []store.Item
	read := w.sql.nextWaiting
	err := read.Int(stage.id).Int(int64(r.Max)).Rows(func() error {
		item := store.Item{
			Lease: store.Lease{ID: read.ColumnInt(0), Epoch: read.ColumnInt(4) + 1},
			Stage: r.Stage, Name: read.ColumnText(1), State: stateNames[inFlight], Priority: int(read.ColumnInt(3)),
			Attempt: int(read.ColumnInt(5)) + 1, Created: instant(read.ColumnInt(6)), Group: read.ColumnText(7), Input: read.ColumnInt(8),
			Payload: store.Payload{Size: read.ColumnInt(9), Ref: read.ColumnText(10), Data: read.ColumnBlob(12)},
			Failure: failure.Decode(read.ColumnText(11)),
			Changed: instant(w.now), Due: instant(r.Until.UnixNano()), Worker: r.Worker, Index: r.Index,
		}
		items = append(items, item)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range items {
		err := w.sql.receive.Int(w.now).Int(r.Until.UnixNano()).Text(r.Worker).Int(int64(r.Index)).Int(items[i].ID).Exec()
		if err != nil {
			return nil, err
		}
		stage.move(waiting, inFlight)
	}
	return items, nil
}

// Extend leases.
func (s *Store) Extend(ctx context.Context, leases []store.Lease, until time.Time) ([]error, error) {
	return s.each(ctx, len(leases), func(w *writer, i int) error {
		l, err := w.lease(leases[i])
		if err != nil {
			return err
		}
		due := until.UnixNano()
		if l.state == inFlight {
			if due <= l.due {
				return nil
			}
			return w.sql.due.Int(due).Int(l.id).Exec()
		}
		l.stage.move(l.state, inFlight)
		return w.sql.revive.Int(w.now).Int(due).Int(l.id).Exec()
	})
}

// GiveBack leases.
func (s *Store) GiveBack(ctx context.Context, back []store.GiveBack) ([]error, error) {
	return s.each(ctx, len(back), func(w *writer, i int) error {
		l, err := w.lease(back[i].Lease)
		if err != nil {
			return err
		}
		state, due := waiting, int64(0)
		switch b := &back[i]; {
		case b.Release:
			l.attempt = max(l.attempt-1, 0)
		case b.Dead:
			state = dead
		case b.Delay > 0:
			state, due = delayed, w.now+int64(b.Delay)
		}
		err = w.sql.giveBack.Int(int64(state)).Int(l.attempt).Int(w.now).IntOrNull(due).
			TextOrNull(failure.Encode(back[i].Failure)).Int(l.id).Exec()
		if err != nil {
			return err
		}
		l.stage.move(l.state, state)
		if state == dead {
			return w.unblock(l.stage, l.group)
		}
		return nil
	})
}

// each runs f for every entry in one transaction. Errors that callers branch on are those of the entry.
func (s *Store) each(ctx context.Context, n int, f func(w *writer, i int) error) ([]error, error) {
	results := make([]error, n)
	err := s.write(ctx, n, func(w *writer) error {
		for i := range results {
			if err := f(w, i); entryError(err) {
				results[i] = err
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func entryError(err error) bool {
	return err == store.ErrLeaseLost || err == store.ErrNameTaken //nolint:errorlint // these two are never wrapped
}

// A leased item, as far as ending or extending the lease needs it.
type leased struct {
	id    int64
	stage *stage
	state int
	// attempt, due (0 if none)
	attempt, due int64
	group, name  string
}

// lease that is good: that of the newest delivery, neither ended nor given back.
func (w *writer) lease(lease store.Lease) (*leased, error) {
	read := w.sql.leased
	l := &leased{id: lease.ID}
	var epoch int64
	there, err := read.Int(lease.ID).Row(func() {
		l.stage = w.count.stages[read.ColumnInt(0)-1]
		l.state = int(read.ColumnInt(1))
		epoch = read.ColumnInt(2)
		l.attempt, l.due = read.ColumnInt(3), read.ColumnInt(4)
		l.group, l.name = read.ColumnText(5), read.ColumnText(6)
	})
	if err != nil {
		return nil, err
	}
	if !there || (leaseChecked() && (epoch != lease.Epoch || epoch == 0)) {
		return nil, store.ErrLeaseLost
	}
	return l, nil
}

// unblock the next item of a group whose head has gone.
func (w *writer) unblock(stage *stage, group string) error {
	if group == "" {
		return nil
	}
	var id, due int64
	read := w.sql.groupNext
	there, err := read.Int(stage.id).Text(group).Row(func() { id, due = read.ColumnInt(0), read.ColumnInt(1) })
	if err != nil || !there {
		return err
	}
	state := waiting
	if due > w.now {
		state = delayed
	} else {
		due = 0
	}
	stage.move(blocked, state)
	return w.sql.ready.Int(int64(state)).Int(w.now).IntOrNull(due).Int(id).Exec()
}

func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
