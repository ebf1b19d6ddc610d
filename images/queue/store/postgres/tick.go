package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/failure"
)

// dueItem is a delayed item or a lease that has ended.
type dueItem struct {
	id           int64
	stage, state int32
	attempt      int64
	worker       *string
}

// Tick does what has become due. What another server is at is left to it.
func (s *Store) Tick(ctx context.Context, rule func(stage string) store.Rule, limit int) (next time.Time, more bool, err error) {
	var items []dueItem
	err = s.do(ctx, limit, func(t *transaction) {
		items, more = nil, false
		t.batch.Queue(`SELECT id, stage, state, attempt, worker FROM items WHERE due <= $1 AND state IN (2, 4)
			ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED`, t.now, limit+1).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var item dueItem
				if err := rows.Scan(&item.id, &item.stage, &item.state, &item.attempt, &item.worker); err != nil {
					return err
				}
				items = append(items, item)
			}
			return rows.Err()
		})
		t.batch.Queue("DELETE FROM deduplication WHERE (stage, id) IN (SELECT stage, id FROM deduplication WHERE at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
			t.now-int64(s.options.DeduplicationWindow()), limit)
	}, func(t *transaction) {
		if more = len(items) > limit; more {
			items = items[:limit]
		}
		for i := range items {
			t.isDue(&items[i], rule)
		}
		t.batch.Queue("SELECT min(due) FROM items WHERE state IN (2, 4)").QueryRow(func(row pgx.Row) error {
			var due *int64
			err := row.Scan(&due)
			next = instant(due)
			return err
		})
	})
	if err != nil {
		return time.Time{}, false, err
	}
	return next, more, nil
}

func (t *transaction) isDue(item *dueItem, rule func(stage string) store.Rule) {
	state, due, why := waiting, int64(0), ""
	if item.state == inFlight {
		name, err := t.s.stages.name(t.ctx, item.stage)
		if err != nil {
			return // it stays due
		}
		r := rule(name)
		why = failure.Expired(text(item.worker))
		if item.attempt >= int64(r.MaxAttempts) {
			state = dead
		} else if delay := r.Delay(int(item.attempt)); delay > 0 {
			state, due = delayed, t.now+int64(delay)
		}
	}
	t.batch.Queue("SELECT expire($1, $2, $3, $4, $5, $6)", t.now, item.id, item.state, state, due, why).QueryRow(func(row pgx.Row) error {
		var moves []int32
		err := row.Scan(&moves)
		t.moved(moves)
		return err
	})
}
