package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// errClosed is the answer after Close.
var errClosed = fmt.Errorf("%w: the store is closed", store.ErrUnavailable)

const (
	// maxWeight of a batch, in entries.
	maxWeight = 2048
	// attempts at a transaction that is known to have been rolled back.
	attempts = 5
	// patience with one transaction.
	patience = 60 * time.Second
)

// A call waits for a writer. Its statements are part of a transaction with those of others; a failed transaction is tried
// again, so that they, and what reads their rows, may run several times.
type call struct {
	queue  func(t *transaction)
	second func(t *transaction) // after the answers of queue; nil if there is nothing more to do
	weight int
	ids    []int64      // of the items whose leases end or go on
	state  atomic.Int32 // pending, running or cancelled
	answer chan error
}

const (
	pending = iota
	running
	cancelled
)

// do has a writer send statements, and returns when they are committed. The items of the leases that they are about are named.
func (s *Store) do(ctx context.Context, weight int, queue, second func(t *transaction), ids ...int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{queue: queue, second: second, weight: weight, ids: ids, answer: make(chan error, 1)}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return errClosed
	}
	select {
	case s.calls <- c:
		s.mu.RUnlock()
	case <-ctx.Done():
		s.mu.RUnlock()
		return ctx.Err()
	}
	select {
	case err := <-c.answer:
		return err
	case <-ctx.Done():
		if c.state.CompareAndSwap(pending, cancelled) {
			return ctx.Err()
		}
		return <-c.answer
	}
}

// A writer does one transaction after the other.
type writer struct {
	s    *Store
	slot int32
}

func (w *writer) run() {
	for first := range w.s.calls {
		batch := w.gather(first)
		err := w.attempt(batch)
		var refused *pgconn.PgError
		if err != nil && len(batch) > 1 && errors.As(err, &refused) && !errors.Is(err, store.ErrUnavailable) {
			// What the database refuses of one call is no matter of the others.
			for _, c := range batch {
				c.answer <- w.attempt([]*call{c})
			}
			continue
		}
		for _, c := range batch {
			c.answer <- err
		}
	}
}

// gather the calls that are waiting, without waiting for more.
func (w *writer) gather(first *call) (batch []*call) {
	weight := 0
	add := func(c *call) {
		if c.state.CompareAndSwap(pending, running) {
			batch = append(batch, c)
			weight += c.weight
		}
	}
	add(first)
	for weight < maxWeight {
		select {
		case c, open := <-w.s.calls:
			if !open {
				return batch
			}
			add(c)
		default:
			return batch
		}
	}
	return batch
}

// attempt a transaction, again where the one before is known to have changed nothing.
func (w *writer) attempt(batch []*call) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for n := 1; ; n++ {
		committing, err := w.transact(ctx, batch)
		if err == nil {
			return nil
		}
		var e *pgconn.PgError
		refused := errors.As(err, &e)
		again := (refused && aborted(e)) || (!committing && (!refused || unavailable(e)))
		switch {
		case committing && (!refused || unavailable(e)):
			return fmt.Errorf("%w: the connection was lost during a commit; whether it had an effect is not known: %w", store.ErrUnavailable, redact(err))
		case !again || n == attempts || ctx.Err() != nil:
			return explain(err)
		}
		pause := time.NewTimer(time.Duration(n*n) * 20 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// A transaction of several calls.
type transaction struct {
	ctx   context.Context
	s     *Store
	now   int64
	batch *pgx.Batch
	// delta of the counters by stage and state.
	delta map[[2]int32]int64
	// began to wait, by stage.
	began map[int32]bool
}

// lock the rows of all leases in the order of their IDs: who locks in another order waits for each other.
func (t *transaction) lock(calls []*call) {
	var ids []int64
	for _, c := range calls {
		ids = append(ids, c.ids...)
	}
	if len(ids) > 1 {
		t.batch.Queue("SELECT FROM items WHERE id = ANY($1) ORDER BY id FOR UPDATE", ids)
	}
}

// transact says with an error whether the commit was under way.
func (w *writer) transact(ctx context.Context, calls []*call) (committing bool, err error) {
	tx, err := w.s.pool.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(ctx) // the first error is the cause
		}
	}()
	t := &transaction{ctx: ctx, s: w.s, now: w.s.options.Now().UnixNano(), delta: map[[2]int32]int64{}, began: map[int32]bool{}}
	t.batch = &pgx.Batch{}
	t.lock(calls)
	for _, c := range calls {
		c.queue(t)
	}
	if err := tx.SendBatch(ctx, t.batch).Close(); err != nil {
		return false, err
	}
	t.batch = &pgx.Batch{}
	for _, c := range calls {
		if c.second != nil {
			c.second(t)
		}
	}
	if t.batch.Len() > 0 {
		if err := tx.SendBatch(ctx, t.batch).Close(); err != nil {
			return false, err
		}
	}
	t.batch = &pgx.Batch{}
	changed, err := t.count(w.slot)
	if err != nil {
		return false, err
	}
	if t.batch.Len() > 0 {
		if err := tx.SendBatch(ctx, t.batch).Close(); err != nil {
			return false, err
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return true, err
	}
	for _, c := range changed {
		w.s.hub.Add(c.Stage, c.Waiting)
	}
	return true, nil
}

// Counters that are not states of items.
const (
	doneTotal = 7
	deadTotal = 8
	// of stage 0
	resultsMade     = 1
	resultsExported = 2
)

// moved items: triples of stage, state before and after.
func (t *transaction) moved(moves []int32) {
	for ; len(moves) >= 3; moves = moves[3:] {
		stage, from, to := moves[0], moves[1], moves[2]
		t.delta[[2]int32{stage, from}]--
		t.delta[[2]int32{stage, to}]++
		switch to {
		case waiting:
			t.began[stage] = true
		case done:
			t.delta[[2]int32{stage, doneTotal}]++
		case dead:
			t.delta[[2]int32{stage, deadTotal}]++
		}
	}
}

// count queues what has changed of the counters, and tells all servers.
func (t *transaction) count(slot int32) ([]store.Change, error) {
	keys := slices.SortedFunc(maps.Keys(t.delta), func(a, b [2]int32) int {
		if a[0] != b[0] {
			return int(a[0] - b[0])
		}
		return int(a[1] - b[1])
	})
	var changed []store.Change
	var stageIDs, states []int32
	var values []int64
	told := map[int32]bool{}
	for _, key := range keys {
		stage, state := key[0], key[1]
		if !told[stage] {
			told[stage] = true
			name := ""
			if stage != 0 {
				var err error
				if name, err = t.s.stages.name(t.ctx, stage); err != nil {
					return nil, err
				}
			}
			changed = append(changed, store.Change{Stage: name, Waiting: t.began[stage]})
			t.batch.Queue("SELECT pg_notify($1, $2)", t.s.channel(), message(stage, t.began[stage]))
		}
		if (state != 0 || stage == 0) && t.delta[key] != 0 {
			stageIDs, states, values = append(stageIDs, stage), append(states, state), append(values, t.delta[key])
		}
	}
	if len(values) > 0 {
		t.batch.Queue(`INSERT INTO counters AS c (stage, state, slot, value)
			SELECT stage, state, $4, value FROM unnest($1::int[], $2::int[], $3::bigint[]) u (stage, state, value)
			ON CONFLICT (stage, state, slot) DO UPDATE SET value = c.value + excluded.value`, stageIDs, states, values, slot)
	}
	return changed, nil
}
