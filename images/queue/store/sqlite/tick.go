package sqlite

import (
	"context"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/failure"
)

// Tick does what has become due.
func (s *Store) Tick(ctx context.Context, rule func(stage string) store.Rule, limit int) (next time.Time, more bool, err error) {
	err = s.write(ctx, limit, func(w *writer) (err error) {
		next, more, err = w.tick(rule, limit)
		return err
	})
	if err != nil {
		return time.Time{}, false, err
	}
	return next, more, nil
}

// dueItem is a delayed item or a lease that has ended.
type dueItem struct {
	id      int64
	stage   *stage
	state   int
	attempt int
	group   string
	worker  string
}

func (w *writer) tick(rule func(stage string) store.Rule, limit int) (next time.Time, more bool, err error) {
	var items []dueItem
	read := w.sql.dueItems
	err = read.Int(w.now).Int(int64(limit) + 1).Rows(func() error {
		items = append(items, dueItem{
			id: read.ColumnInt(0), stage: w.count.stages[read.ColumnInt(1)-1], state: int(read.ColumnInt(2)),
			attempt: int(read.ColumnInt(3)), group: read.ColumnText(4), worker: read.ColumnText(5),
		})
		return nil
	})
	if err != nil {
		return next, false, err
	}
	if more = len(items) > limit; more {
		items = items[:limit]
	}
	for i := range items {
		if err := w.isDue(&items[i], rule); err != nil {
			return next, false, err
		}
	}
	_, err = w.sql.nextDue.Row(func() { next = instant(w.sql.nextDue.ColumnInt(0)) })
	if err != nil {
		return next, false, err
	}
	// What need not be remembered any longer is dropped by the way.
	old := w.now - int64(w.s.options.DeduplicationWindow())
	return next, more, w.sql.deduplicationOld.Int(old).Int(int64(limit)).Exec()
}

func (w *writer) isDue(item *dueItem, rule func(stage string) store.Rule) error {
	if item.state == delayed {
		item.stage.move(delayed, waiting)
		return w.sql.ready.Int(waiting).Int(w.now).IntOrNull(0).Int(item.id).Exec()
	}
	r := rule(item.stage.name)
	state, due := waiting, int64(0)
	if item.attempt >= r.MaxAttempts {
		state = dead
	} else if delay := r.Delay(item.attempt); delay > 0 {
		state, due = delayed, w.now+int64(delay)
	}
	err := w.sql.expire.Int(int64(state)).Int(w.now).IntOrNull(due).Text(failure.Expired(item.worker)).Int(item.id).Exec()
	if err != nil {
		return err
	}
	item.stage.move(inFlight, state)
	if state == dead {
		return w.unblock(item.stage, item.group)
	}
	return nil
}
