package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// errClosed is the answer after Close.
var errClosed = fmt.Errorf("%w: the store is closed", store.ErrUnavailable)

// maxWeight of a batch, in entries: more would make the first call wait for the last longer than a flush takes.
const maxWeight = 4096

// A call waits for the writer. It either changes something and returns nil, or changes nothing.
type call struct {
	do     func(w *writer) error
	weight int
	state  atomic.Int32 // pending, running or cancelled
	answer chan error
}

const (
	pending = iota
	running
	cancelled
)

// write has the writer do something in a transaction, and returns when that is on the disk.
func (s *Store) write(ctx context.Context, weight int, do func(w *writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{do: do, weight: weight, answer: make(chan error, 1)}
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

// The writer is the one goroutine that changes the database, and what it has in memory of it.
type writer struct {
	s     *Store
	c     *conn.Conn
	sql   *statements
	count *counters // of the open transaction
	// next ID, and the end of the block that is reserved in the database.
	next, reserved int64
	now            int64
	batch          []*call
	errs           []error
	// suspect is after an error of the disk: the database is opened anew before it is used.
	suspect bool
}

func openWriter(s *Store) (*writer, error) {
	w := &writer{s: s}
	return w, w.open()
}

func (w *writer) open() (err error) {
	if w.c, err = conn.Open(w.s.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.c.Close())
			w.c = nil
		}
	}()
	w.c.BusyTimeout(10_000) // readers that recover the log
	if err := prepare(w.c); err != nil {
		return err
	}
	if w.sql, err = prepareStatements(w.c); err != nil {
		return err
	}
	return w.load()
}

// load what is in memory from the database.
func (w *writer) load() error {
	count, err := loadCounters(w.c)
	if err != nil {
		return err
	}
	w.count = count
	if w.reserved, err = number(w.c, "SELECT ifnull(max(value), 1) FROM numbers WHERE name = 'id'"); err != nil {
		return err
	}
	w.next = w.reserved
	w.s.names.Store(count.names())
	w.s.counters.Store(count.clone())
	return nil
}

func (w *writer) run() {
	for first := range w.s.calls {
		w.gather(first)
		err := w.transact()
		for i, c := range w.batch {
			if err != nil {
				c.answer <- err
			} else {
				c.answer <- w.errs[i]
			}
		}
	}
	if w.c != nil {
		w.c.Close()
	}
}

// gather the calls that are waiting. It does not wait for more: those gather while the disk is waited for.
func (w *writer) gather(first *call) {
	w.batch, w.errs = w.batch[:0], w.errs[:0]
	weight := 0
	add := func(c *call) {
		if c.state.CompareAndSwap(pending, running) {
			w.batch = append(w.batch, c)
			weight += c.weight
		}
	}
	add(first)
	for weight < maxWeight {
		select {
		case c, open := <-w.s.calls:
			if !open {
				return
			}
			add(c)
		default:
			return
		}
	}
}

// transact does the batch in one transaction. Its error is that of all.
func (w *writer) transact() error {
	if len(w.batch) == 0 {
		return nil
	}
	if w.suspect {
		if err := w.reopen(); err != nil {
			return fmt.Errorf("%w: after an error of the disk the database cannot be opened: %w", store.ErrUnavailable, explain(w.s.path, err))
		}
	}
	w.now = w.s.options.Now().UnixNano()
	if err := w.sql.begin.Exec(); err != nil {
		return w.failed(err)
	}
	for _, c := range w.batch {
		err := c.do(w)
		var broken *conn.Error
		if errors.As(err, &broken) {
			return w.failed(err)
		}
		w.errs = append(w.errs, err)
	}
	if err := w.count.save(w.sql); err != nil {
		return w.failed(err)
	}
	if err := w.sql.commit.Exec(); err != nil {
		return w.failed(err)
	}
	w.s.commits.Add(1)
	w.s.counters.Store(w.count.clone())
	if w.count.resultsChanged {
		w.s.hub.Add("", false)
		w.count.resultsChanged = false
	}
	for _, stage := range w.count.stages {
		if stage.changed {
			w.s.hub.Add(stage.name, stage.began)
			stage.changed, stage.began = false, false
		}
	}
	return nil
}

// failed rolls back. A full disk is known to have changed nothing: SQLite says so before it writes the frame that commits.
// After any other error what the kernel's cache holds need not be on the disk, so that the connection is not used again.
func (w *writer) failed(cause error) error {
	var err error
	if w.c.InTransaction() {
		err = w.sql.rollback.Exec()
	}
	if err == nil {
		err = w.load()
	}
	var e *conn.Error
	if err == nil && errors.As(cause, &e) && e.Full() {
		// Frames that are in the database already give room in the log.
		checkpoint, perr := w.c.Prepare("PRAGMA wal_checkpoint(PASSIVE)")
		if perr == nil {
			_, _ = checkpoint.Row(func() {})
		}
		return fmt.Errorf("%w: make room on the volume of %s: %w", store.ErrNoSpace, w.s.path, cause)
	}
	w.suspect = true
	return fmt.Errorf("%w: whether the call had an effect is not known: %w", store.ErrUnavailable, errors.Join(cause, err))
}
