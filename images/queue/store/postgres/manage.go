package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// step is how many items a redrive or purge of all takes at once.
const step = 2000

// Redrive dead items.
func (s *Store) Redrive(ctx context.Context, stage string, names []string) (int, error) {
	return s.steps(ctx, stage, names, func(t *transaction, id int32, read func(pgx.Row) error) {
		t.batch.Queue("SELECT n, moves FROM redrive_items($1, $2, $3, $4)", t.now, id, names, step).QueryRow(read)
	})
}

// Purge items that are not in flight.
func (s *Store) Purge(ctx context.Context, stage string, names []string, state api.State) (int, error) {
	number := stateNumber(state)
	if names == nil && (number < 0 || number == inFlight) {
		return 0, nil
	}
	return s.steps(ctx, stage, names, func(t *transaction, id int32, read func(pgx.Row) error) {
		t.batch.Queue("SELECT n, moves FROM purge_items($1, $2, $3, $4, $5)", t.now, id, names, number, step).QueryRow(read)
	})
}

// steps queues with all of the names at once, or, without names, until less than a step was found.
func (s *Store) steps(ctx context.Context, stage string, names []string, queue func(t *transaction, id int32, read func(pgx.Row) error)) (int, error) {
	id, err := s.stages.id(ctx, stage, false)
	if err != nil || id == 0 {
		return 0, err
	}
	for total := 0; ; {
		n, err := s.counted(ctx, max(len(names), step), func(t *transaction, read func(pgx.Row) error) { queue(t, id, read) })
		if err != nil {
			return total, err
		}
		if total += n; names != nil || n < step {
			return total, nil
		}
	}
}

// counted runs what yields a number and moves.
func (s *Store) counted(ctx context.Context, weight int, queue func(t *transaction, read func(pgx.Row) error)) (n int, err error) {
	err = s.do(ctx, weight, func(t *transaction) {
		queue(t, func(row pgx.Row) error {
			var moves []int32
			err := row.Scan(&n, &moves)
			t.moved(moves)
			return err
		})
	}, nil)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Forget items that are done.
func (s *Store) Forget(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.counted(ctx, limit, func(t *transaction, read func(pgx.Row) error) {
		t.batch.Queue("SELECT n, moves FROM forget_items($1, $2)", before.UnixNano(), limit).QueryRow(read)
	})
}

// Exported marks results.
func (s *Store) Exported(ctx context.Context, ids []int64) error {
	return s.do(ctx, len(ids), func(t *transaction) {
		t.batch.Queue("UPDATE results SET exported = true WHERE id = ANY ($1) AND NOT exported RETURNING id", ids).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				t.delta[[2]int32{0, resultsExported}]++
			}
			return rows.Err()
		})
	}, nil)
}

// SetMark keeps a fact.
func (s *Store) SetMark(ctx context.Context, key, value string) error {
	return s.do(ctx, 1, func(t *transaction) {
		t.batch.Queue("INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", key, value)
	}, nil)
}

// Hold a role.
func (s *Store) Hold(ctx context.Context, role, holder string, ttl time.Duration) (held bool, err error) {
	err = s.do(ctx, 1, func(t *transaction) {
		t.batch.Queue(`INSERT INTO holds AS h (role, holder, until) VALUES ($1, $2, $3)
			ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE h.holder = excluded.holder OR h.until <= $4 RETURNING 1`, role, holder, t.now+int64(ttl), t.now).Query(func(rows pgx.Rows) error {
			held = rows.Next()
			rows.Close()
			return rows.Err()
		})
	}, nil)
	return held && err == nil, err
}

// Unhold a role.
func (s *Store) Unhold(ctx context.Context, role, holder string) error {
	return s.do(ctx, 1, func(t *transaction) { t.batch.Queue("DELETE FROM holds WHERE role = $1 AND holder = $2", role, holder) }, nil)
}
