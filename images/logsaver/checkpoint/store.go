package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const version = 1

// A Store writes the state to its directory. One write serves all who wait for it.
type Store struct {
	dir      string
	lock     *os.File
	snapshot func() (State, uint64)
	failed   func(error)

	mu      sync.Mutex
	durable uint64
	changed chan struct{} // closed and made anew when durable rises
	wake    chan struct{}
}

// Open locks the directory against a second saver and reads the state, or makes a new one.
// source is the resolved Config.Source; it is used only for a new state.
func Open(ctx context.Context, dir, source string) (*Store, State, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, State{}, fmt.Errorf("make the state directory: %w (state_dir must be writable for the saver's user)", err)
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, State{}, err
	}
	s := &Store{dir: dir, lock: lock, changed: make(chan struct{}), wake: make(chan struct{}, 1)}
	state, err := s.read(source)
	if err != nil {
		_ = lock.Close()
		return nil, State{}, err
	}
	return s, state, nil
}

// lockFile waits for a predecessor that is just ending.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	for {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		select {
		case <-ctx.Done():
			_ = lock.Close()
			return nil, fmt.Errorf("lock %s: %w (another log saver uses this state_dir)", path, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Store) path() string { return filepath.Join(s.dir, "checkpoint.json") }

func (s *Store) read(source string) (State, error) {
	data, err := os.ReadFile(s.path())
	if errors.Is(err, os.ErrNotExist) {
		name := make([]byte, 5)
		_, _ = rand.Read(name)
		return State{Version: version, Saver: hex.EncodeToString(name), Source: source, Next: 1}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the checkpoint: %w", err)
	}
	var state State
	if err := json.Unmarshal(data, &state); err != nil {
		return State{}, fmt.Errorf("read the checkpoint %s: %w (remove it to begin anew; what was saved is then saved again)", s.path(), err)
	}
	if state.Version != version {
		return State{}, fmt.Errorf("read the checkpoint %s: version %d is not known to this saver (it knows %d)", s.path(), state.Version, version)
	}
	return state, nil
}

// Run writes snapshots whenever something has changed, until ctx ends. snapshot returns a state and its version, which
// rises with each change. failed is told of each failed write, and of each success after that with nil.
func (s *Store) Run(ctx context.Context, snapshot func() (State, uint64), failed func(error)) {
	s.snapshot, s.failed = snapshot, failed
	const pause = 200 * time.Millisecond // a full disk is looked at five times a second
	broken := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for {
			err := s.save()
			if err == nil {
				if broken {
					broken = false
					s.failed(nil)
				}
				break
			}
			broken = true
			s.failed(err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

// Touch says that something has changed; it will be on disk soon.
func (s *Store) Touch() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Sync returns once the version is on disk.
func (s *Store) Sync(ctx context.Context, version uint64) error {
	for {
		s.mu.Lock()
		done, changed := s.durable >= version, s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		s.Touch()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// save writes one snapshot: whole and on disk before it takes the name.
func (s *Store) save() error {
	state, version := s.snapshot()
	s.mu.Lock()
	fresh := s.durable >= version
	s.mu.Unlock()
	if fresh {
		return nil
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	if err := replace(s.path(), data); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	s.mu.Lock()
	s.durable = version
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	return nil
}

// replace puts data under the path, so that after a crash either the old or the new content is there.
func replace(path string, data []byte) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes renames and removals in a directory durable.
func SyncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

// Close unlocks the directory.
func (s *Store) Close() error { return s.lock.Close() }
