package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/failure"
)

// itemColumns and resultColumns are what scanItems and scanResults read, with the payload's data behind them.
const (
	itemColumns = `items.id, items.stage, items.state, items.priority, items.epoch, items.attempt, items.created, items.changed, items.due,
	items.name, items.grp, items.input, items.size, items.ref, items.worker, items.worker_index, items.failure`
	resultColumns = `id, name, created, exported, stage, item, input, size, ref`
)

func (s *Store) scanItems(ctx context.Context, rows pgx.Rows, data bool) (items []store.Item, err error) {
	defer rows.Close()
	for rows.Next() {
		var item store.Item
		var stage, state int32
		var created, changed int64
		var due, input *int64
		var group, ref, worker, why *string
		into := []any{&item.ID, &stage, &state, &item.Priority, &item.Epoch, &item.Attempt, &created, &changed, &due, &item.Name,
			&group, &input, &item.Payload.Size, &ref, &worker, &item.Index, &why}
		if data {
			into = append(into, &item.Payload.Data)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if item.Stage, err = s.stages.name(ctx, stage); err != nil {
			return nil, err
		}
		item.State, item.Group, item.Payload.Ref, item.Worker = stateNames[state], text(group), text(ref), text(worker)
		item.Created, item.Changed, item.Due, item.Failure = instant(&created), instant(&changed), instant(due), failure.Decode(text(why))
		if input != nil {
			item.Input = *input
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

func (s *Store) scanResults(ctx context.Context, rows pgx.Rows) (results []store.Result, err error) {
	defer rows.Close()
	for rows.Next() {
		var r store.Result
		var stage int32
		var created int64
		var ref *string
		err := rows.Scan(&r.ID, &r.Name, &created, &r.Exported, &stage, &r.Item, &r.Input, &r.Payload.Size, &ref, &r.Payload.Data)
		if err != nil {
			return nil, err
		}
		if r.Stage, err = s.stages.name(ctx, stage); err != nil {
			return nil, err
		}
		r.Created, r.Payload.Ref = instant(&created), text(ref)
		results = append(results, r)
	}
	return results, rows.Err()
}

// read something, unless the store is closed.
func (s *Store) read(f func() error) error {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return errClosed
	}
	return explain(f())
}

// snapshot reads several things as of one moment.
func (s *Store) snapshot(ctx context.Context, f func(tx pgx.Tx) error) error {
	return s.read(func() error {
		options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return pgx.BeginTxFunc(ctx, s.pool, options, f)
	})
}

// Get an item.
func (s *Store) Get(ctx context.Context, stage, name string) (item *store.Item, err error) {
	err = s.read(func() error {
		id, err := s.stages.id(ctx, stage, false)
		if err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, "SELECT "+itemColumns+", (SELECT data FROM payloads WHERE payloads.id = items.id) FROM items WHERE stage = $1 AND name = $2", id, name)
		if err != nil {
			return err
		}
		items, err := s.scanItems(ctx, rows, true)
		if err == nil && len(items) == 0 {
			return store.ErrNotFound
		}
		if err == nil {
			item = &items[0]
		}
		return err
	})
	return item, err
}

// Family of an item.
func (s *Store) Family(ctx context.Context, id int64) (input *store.Item, items []store.Item, results []store.Result, err error) {
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+itemColumns+" FROM items WHERE id = (SELECT input FROM items i WHERE i.id = $1)", id)
		if err != nil {
			return err
		}
		inputs, err := s.scanItems(ctx, rows, false)
		if err != nil {
			return err
		}
		if len(inputs) > 0 {
			input = &inputs[0]
		}
		if rows, err = tx.Query(ctx, "SELECT "+itemColumns+" FROM items WHERE input = $1 ORDER BY id", id); err != nil {
			return err
		}
		if items, err = s.scanItems(ctx, rows, false); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, "SELECT "+resultColumns+", NULL::bytea FROM results WHERE input = $1 ORDER BY id", id); err != nil {
			return err
		}
		results, err = s.scanResults(ctx, rows)
		return err
	})
	return input, items, results, err
}

// List items.
func (s *Store) List(ctx context.Context, q store.Query) (items []store.Item, err error) {
	first, last := stateNumber(q.State), stateNumber(q.State)
	if q.State == "" {
		first, last = blocked, states
	}
	if q.Limit <= 0 || first < 0 {
		return nil, nil
	}
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		stage, err := s.stages.id(ctx, q.Stage, false)
		if err != nil || stage == 0 {
			return err
		}
		// By ID across states and priorities: each has an order of its own in the index, and they are merged.
		rows, err := tx.Query(ctx, `SELECT `+itemColumns+` FROM generate_series($2::int, $3::int) s, generate_series(0, $6::int) p, LATERAL (
			SELECT * FROM items i WHERE i.stage = $1 AND i.state = s AND i.priority = p AND i.id > $4 ORDER BY i.id LIMIT $5) items
			ORDER BY items.id LIMIT $5`, stage, first, last, q.After, q.Limit, api.MaxPriority)
		if err != nil {
			return err
		}
		items, err = s.scanItems(ctx, rows, false)
		return err
	})
	return items, err
}

// Results of the pipeline. With several servers a result may come to be below an ID that was read already: who must miss
// none asks for those that are unexported from the start.
func (s *Store) Results(ctx context.Context, q store.ResultQuery) (results []store.Result, err error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	sql := "SELECT " + resultColumns + ", CASE WHEN $3 THEN (SELECT data FROM payloads WHERE payloads.id = results.id) END FROM results WHERE id > $1"
	if q.Unexported {
		sql += " AND NOT exported"
	}
	err = s.read(func() error {
		rows, err := s.pool.Query(ctx, sql+" ORDER BY id LIMIT $2", q.After, q.Limit, !q.Brief)
		if err == nil {
			results, err = s.scanResults(ctx, rows)
		}
		return err
	})
	return results, err
}

// Result by name.
func (s *Store) Result(ctx context.Context, name string) (result *store.Result, err error) {
	err = s.read(func() error {
		rows, err := s.pool.Query(ctx, "SELECT "+resultColumns+", (SELECT data FROM payloads WHERE payloads.id = results.id) FROM results WHERE name = $1", name)
		if err != nil {
			return err
		}
		results, err := s.scanResults(ctx, rows)
		if err == nil && len(results) == 0 {
			return store.ErrNotFound
		}
		if err == nil {
			result = &results[0]
		}
		return err
	})
	return result, err
}

// Mark that was set.
func (s *Store) Mark(ctx context.Context, key string) (value string, err error) {
	err = s.read(func() error {
		err := s.pool.QueryRow(ctx, "SELECT value FROM marks WHERE name = $1", key).Scan(&value)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return value, err
}

// Referenced payloads.
func (s *Store) Referenced(ctx context.Context, refs []string) (map[string]bool, error) {
	used := make(map[string]bool, len(refs))
	err := s.read(func() error {
		rows, err := s.pool.Query(ctx, `SELECT r, EXISTS (SELECT 1 FROM items WHERE ref = r) OR EXISTS (SELECT 1 FROM results WHERE ref = r)
			FROM unnest($1::text[]) r`, refs)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var ref string
			var is bool
			if err := rows.Scan(&ref, &is); err != nil {
				return err
			}
			used[ref] = is
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return used, nil
}

// Stats from the counters.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	stats := store.Stats{Stages: map[string]store.StageStats{}}
	err := s.snapshot(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT stage, state, sum(value)::bigint,
			CASE WHEN state = 3 THEN (SELECT i.changed FROM items i WHERE i.stage = counters.stage AND i.state = 3 AND i.state IN (3, 5) ORDER BY i.changed LIMIT 1) END
			FROM counters GROUP BY stage, state`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := s.scanCounter(ctx, rows, &stats); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return stats, err
}

func (s *Store) scanCounter(ctx context.Context, rows pgx.Rows, stats *store.Stats) error {
	var stage, state int32
	var value int64
	var oldest *int64
	if err := rows.Scan(&stage, &state, &value, &oldest); err != nil {
		return err
	}
	if stage == 0 {
		if state == resultsMade {
			stats.Results = value
		} else {
			stats.Exported = value
		}
		return nil
	}
	name, err := s.stages.name(ctx, stage)
	if err != nil {
		return err
	}
	one, ok := stats.Stages[name]
	if !ok {
		one.Counts = make(map[api.State]int64, states)
		for _, state := range api.States {
			one.Counts[state] = 0
		}
	}
	switch state {
	case doneTotal:
		one.DoneTotal = value
	case deadTotal:
		one.DeadTotal = value
	default:
		one.Counts[stateNames[state]] = value
	}
	if oldest != nil {
		one.Oldest = instant(oldest)
	}
	stats.Stages[name] = one
	return nil
}
