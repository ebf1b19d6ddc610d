// Package sqlite is the embedded store of the work queue: one file, queue.db, of one server.
//
// SQLite runs in WAL mode with synchronous=FULL: a commit is answered when the log is on the disk. One goroutine writes.
// While it waits for the disk, calls gather; it then does all of them in one transaction, with one flush. Who reads has
// connections of his own and is not held up.
//
// The directory is locked against a second server. It must be on a file system that keeps what it was asked to sync.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/changes"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// File is the database's name in its directory.
const File = "queue.db"

// Page caches. The writer's holds the upper parts of all indexes of some million items; the rest is in the kernel's.
const (
	writerCacheKiB = 8 << 10
	readerCacheKiB = 512
	readers        = 4
)

// Store is the embedded store.
type Store struct {
	options store.Options
	path    string
	lock    *os.File
	hub     *changes.Hub

	calls  chan *call
	ended  chan struct{} // the writer is
	mu     sync.RWMutex  // held for reading by who sends to calls
	closed bool

	readers chan *reader
	// counters as of the last commit.
	counters atomic.Pointer[counters]
	// names of stages by ID - 1, those of the open transaction included.
	names atomic.Pointer[[]string]
	// commits that were flushed, for benchmarks.
	commits atomic.Int64
}

var _ store.Store = (*Store)(nil)

// Open the store in a directory, which is made where it is missing. A second server's Open waits for the first one's Close
// until ctx ends.
func Open(ctx context.Context, directory string, options store.Options) (*Store, error) {
	if err := makeDirectory(directory); err != nil {
		return nil, err
	}
	file, err := lock(ctx, directory)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: options, path: filepath.Join(directory, File), lock: file, hub: changes.New(),
		calls: make(chan *call, 4096), ended: make(chan struct{}), readers: make(chan *reader, readers),
	}
	w, err := openWriter(s)
	if err != nil {
		s.hub.Close()
		file.Close()
		return nil, explain(s.path, err)
	}
	for range readers {
		s.readers <- &reader{}
	}
	go func() {
		defer close(s.ended)
		w.run()
	}()
	return s, nil
}

// Close waits for calls that are running.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.calls)
	s.mu.Unlock()
	<-s.ended
	var errs []error
	for range readers {
		errs = append(errs, (<-s.readers).close())
	}
	s.hub.Close()
	return errors.Join(append(errs, s.lock.Close())...)
}

// Changed yields stages as they change.
func (s *Store) Changed() <-chan store.Change { return s.hub.Changes() }

// explain what to do about an error of Open.
func explain(path string, err error) error {
	var e *conn.Error
	if errors.As(err, &e) && e.Corrupt() {
		return fmt.Errorf("open %s: the file is damaged, or no queue: restore it (with its -wal) from a backup, or recover what can be read: "+
			"sqlite3 %s .recover | sqlite3 new.db, and put new.db in its place: %w", path, path, err)
	}
	if errors.As(err, &e) && e.Full() {
		return fmt.Errorf("open %s: %w: make room on its volume: %w", path, store.ErrNoSpace, err)
	}
	return fmt.Errorf("open %s: %w", path, err)
}
