package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/failure"
)

const receive = `
WITH next AS MATERIALIZED (
	SELECT id FROM items WHERE stage = $1 AND state = 3 ORDER BY priority DESC, id LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE items SET state = 4, epoch = epoch + 1, lease = epoch + 1, attempt = attempt + 1, changed = $3, due = $4, worker = $5, worker_index = $6
FROM next WHERE items.id = next.id
RETURNING ` + itemColumns + `, (SELECT data FROM payloads WHERE payloads.id = items.id)`

// Receive leases items.
func (s *Store) Receive(ctx context.Context, r store.Receive) ([]store.Item, error) {
	stage, err := s.stages.id(ctx, r.Stage, false)
	if err != nil || stage == 0 || r.Max <= 0 {
		return nil, err
	}
	var items []store.Item
	err = s.do(ctx, r.Max, func(t *transaction) {
		t.batch.Queue(receive, stage, r.Max, t.now, r.Until.UnixNano(), r.Worker, r.Index).Query(func(rows pgx.Rows) (err error) {
			if items, err = s.scanItems(ctx, rows, true); err != nil {
				return err
			}
			for range items {
				t.moved([]int32{stage, waiting, inFlight})
			}
			return nil
		})
	}, nil)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(items, func(a, b store.Item) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.ID, b.ID))
	})
	return items, nil
}

// Extend leases.
func (s *Store) Extend(ctx context.Context, leases []store.Lease, until time.Time) ([]error, error) {
	results := make([]error, len(leases))
	err := s.do(ctx, len(leases), func(t *transaction) {
		for i, lease := range leases {
			t.batch.Queue("SELECT good, moves FROM extend($1, $2, $3, $4)", t.now, lease.ID, lease.Epoch, until.UnixNano()).
				QueryRow(t.lease(&results[i]))
		}
	}, nil, idsOf(leases, func(l store.Lease) int64 { return l.ID })...)
	if err != nil {
		return nil, err
	}
	return results, nil
}

func idsOf[T any](entries []T, id func(T) int64) []int64 {
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = id(entries[i])
	}
	return ids
}

// lease reads whether one was good, and the moves.
func (t *transaction) lease(result *error) func(pgx.Row) error {
	return func(row pgx.Row) error {
		var good bool
		var moves []int32
		if err := row.Scan(&good, &moves); err != nil {
			return err
		}
		*result = nil
		if !good {
			*result = store.ErrLeaseLost
		}
		t.moved(moves)
		return nil
	}
}

// GiveBack leases.
func (s *Store) GiveBack(ctx context.Context, back []store.GiveBack) ([]error, error) {
	results := make([]error, len(back))
	err := s.do(ctx, len(back), func(t *transaction) {
		for i := range back {
			b := &back[i]
			state, due, less := waiting, int64(0), 0
			switch {
			case b.Release:
				less = 1
			case b.Dead:
				state = dead
			case b.Delay > 0:
				state, due = delayed, t.now+int64(b.Delay)
			}
			t.batch.Queue("SELECT good, moves FROM give_back($1, $2, $3, $4, $5, $6, $7)", t.now, b.Lease.ID, b.Lease.Epoch,
				state, due, less, failure.Encode(b.Failure)).QueryRow(t.lease(&results[i]))
		}
	}, nil, idsOf(back, func(b store.GiveBack) int64 { return b.Lease.ID })...)
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Commit ends items as done.
func (s *Store) Commit(ctx context.Context, commits []store.Commit) ([]error, error) {
	made := make([]*columns, len(commits))
	weight := len(commits)
	for i := range commits {
		var err error
		if made[i], err = s.columns(ctx, commits[i].Items); err != nil {
			return nil, err
		}
		weight += len(commits[i].Items) + len(commits[i].Results)
	}
	results := make([]error, len(commits))
	err := s.do(ctx, weight, func(t *transaction) {
		for i := range commits {
			t.commit(&commits[i], made[i], &results[i])
		}
	}, nil, idsOf(commits, func(c store.Commit) int64 { return c.Lease.ID })...)
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (t *transaction) commit(c *store.Commit, items *columns, result *error) {
	var names, refs []string
	var sizes []int64
	var data [][]byte
	for i := range c.Results {
		r := &c.Results[i]
		names, refs = append(names, r.Name), append(refs, r.Payload.Ref)
		sizes, data = append(sizes, r.Payload.Size), append(data, r.Payload.Data)
	}
	t.batch.Queue("SELECT outcome, moves FROM commit_item($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
		t.now, c.Lease.ID, c.Lease.Epoch, sabotage == "nolease",
		items.stages, items.names, items.priorities, items.delays, items.groups, items.sizes, items.refs, items.data,
		names, sizes, refs, data).QueryRow(func(row pgx.Row) error {
		var outcome int
		var moves []int32
		if err := row.Scan(&outcome, &moves); err != nil {
			return err
		}
		*result = []error{nil, store.ErrLeaseLost, store.ErrNameTaken}[outcome]
		t.moved(moves)
		if *result == nil && len(c.Results) > 0 {
			t.delta[[2]int32{0, resultsMade}] += int64(len(c.Results))
		}
		return nil
	})
}
