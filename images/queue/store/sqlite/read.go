package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// A reader has a connection that only reads. It is opened by its first use.
type reader struct {
	c *conn.Conn

	item        *conn.Stmt `sql:"SELECT id, stage, state, priority, epoch, attempt, created, changed, due, name, grp, input, size, ref, worker, worker_index, failure, (SELECT data FROM payloads WHERE payloads.id = items.id) FROM items WHERE stage = ? AND name = ?"`
	itemByID    *conn.Stmt `sql:"SELECT id, stage, state, priority, epoch, attempt, created, changed, due, name, grp, input, size, ref, worker, worker_index, failure FROM items WHERE id = ?"`
	itemsMade   *conn.Stmt `sql:"SELECT id, stage, state, priority, epoch, attempt, created, changed, due, name, grp, input, size, ref, worker, worker_index, failure FROM items WHERE input = ? ORDER BY id"`
	ofState     *conn.Stmt `sql:"SELECT id, stage, state, priority, epoch, attempt, created, changed, due, name, grp, input, size, ref, worker, worker_index, failure FROM items INDEXED BY items_state WHERE stage = ? AND state = ? AND priority = ? AND id > ? ORDER BY id LIMIT ?"`
	priorities  *conn.Stmt `sql:"SELECT max(priority) FROM items INDEXED BY items_state WHERE stage = ? AND state = ? AND priority < ?"`
	result      *conn.Stmt `sql:"SELECT id, name, created, exported, stage, item, input, size, ref, (SELECT data FROM payloads WHERE payloads.id = results.id) FROM results WHERE name = ?"`
	results     *conn.Stmt `sql:"SELECT id, name, created, exported, stage, item, input, size, ref, CASE WHEN ?1 THEN (SELECT data FROM payloads WHERE payloads.id = results.id) END FROM results WHERE id > ?2 ORDER BY id LIMIT ?3"`
	unexported  *conn.Stmt `sql:"SELECT id, name, created, exported, stage, item, input, size, ref, CASE WHEN ?1 THEN (SELECT data FROM payloads WHERE payloads.id = results.id) END FROM results INDEXED BY results_unexported WHERE exported = 0 AND id > ?2 ORDER BY id LIMIT ?3"`
	resultsMade *conn.Stmt `sql:"SELECT id, name, created, exported, stage, item, input, size, ref, NULL FROM results WHERE input = ? ORDER BY id"`
	oldest      *conn.Stmt `sql:"SELECT changed FROM items INDEXED BY items_changed WHERE stage = ? AND state = 3 AND state IN (3, 5) ORDER BY changed LIMIT 1"`
	mark        *conn.Stmt `sql:"SELECT value FROM marks WHERE name = ?"`
	itemRef     *conn.Stmt `sql:"SELECT 1 FROM items WHERE ref = ? LIMIT 1"`
	resultRef   *conn.Stmt `sql:"SELECT 1 FROM results WHERE ref = ? LIMIT 1"`
}

func (r *reader) close() error {
	if r.c == nil {
		return nil
	}
	c := r.c
	*r = reader{}
	return c.Close()
}

func (r *reader) open(path string) error {
	c, err := conn.Open(path)
	if err != nil {
		return err
	}
	c.BusyTimeout(10_000)
	for _, pragma := range append(pragmas(readerCacheKiB), "PRAGMA query_only = ON") {
		if err := c.Exec(pragma); err != nil {
			c.Close()
			return err
		}
	}
	r.c = c
	if err := prepareAll(c, r); err != nil {
		_ = r.close() // the first error is the cause
		return err
	}
	return nil
}

// read with one of the readers, in one snapshot.
func (s *Store) read(ctx context.Context, f func(r *reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	var r *reader
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- r }()
	if r.c == nil {
		if err := r.open(s.path); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, explain(s.path, err))
		}
	}
	err := f(r)
	var broken *conn.Error
	if errors.As(err, &broken) {
		_ = r.close() // the next use opens it again
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// snapshot of the database for several statements.
func (r *reader) snapshot(f func() error) error {
	if err := r.c.Exec("BEGIN"); err != nil {
		return err
	}
	return errors.Join(f(), r.c.Exec("COMMIT"))
}
