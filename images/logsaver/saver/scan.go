package saver

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/discover"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// scan finds out which files there are, and under which names those go that are known.
func (s *Saver) scan(now time.Time) {
	found, dirs := discover.Scan(s.config.Inputs, s.own...)
	if s.watcher != nil {
		s.watching = s.watcher.Watch(dirs)
	}
	present := map[*entry]bool{}
	for _, f := range found {
		if e := s.identify(f, now); e != nil {
			present[e] = true
		}
	}
	s.missing(present, now)
	s.resolveCopies(now)
	if fresh := s.unseenInputs(); len(fresh) > 0 {
		s.registry.change(func() { s.registry.state.Inputs = append(s.registry.state.Inputs, fresh...) })
	}
}

// unseenInputs are those that were never scanned before.
func (s *Saver) unseenInputs() (names []string) {
	for name := range s.inputs {
		if !slices.Contains(s.registry.state.Inputs, name) {
			names = append(names, name)
		}
	}
	return names
}

// identify finds the entry of a file, or makes one. It returns nil if the file cannot be read.
func (s *Saver) identify(f discover.Found, now time.Time) *entry {
	e := s.registry.of(f.Key)
	if e != nil && e.file == nil && !s.reopen(e, f, now) {
		e = nil
	}
	if e == nil {
		return s.discovered(f, now)
	}
	e.rotated = f.Rotated || f.Rel != e.Rel
	if e.Path != f.Path {
		s.registry.change(func() { e.Path = f.Path })
	}
	return e
}

// discovered takes up a file that was never seen.
func (s *Saver) discovered(f discover.Found, now time.Time) *entry {
	file, err := follow.Open(f.Path, f.Key)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, follow.ErrOther) { // else it went while we looked
			s.unreadable(f.Path, err)
		}
		return nil
	}
	in := s.inputs[f.Input]
	skip := in.From == config.FromEnd && slices.Contains(s.unseenInputs(), f.Input)
	if skip {
		if err := file.Begin(f.Size); err != nil {
			_ = file.Close()
			s.unreadable(f.Path, err)
			return nil
		}
	}
	e := s.registry.add(f, in)
	e.file = file
	s.registry.change(func() {
		e.Offset, e.Head, e.Tail = file.Offset(), file.Head(), file.Tail()
		e.size = max(file.Size(), file.Offset())
		if e.unread() > 0 {
			e.since, e.oldest = now, now
		}
	})
	if !skip && s.mayBeCopy(e) {
		s.registry.change(func() { e.Waits = true })
	}
	s.log.Info("file found", "path", f.Path, "identity", e.Identity, "offset", file.Offset(), "bytes", f.Size)
	return e
}

// reopen opens a file that is known but closed: one of an earlier process, or one that was finished. It returns false
// if another file has the inode now, or other bytes are in it.
func (s *Saver) reopen(e *entry, f discover.Found, now time.Time) bool {
	if !e.modified.IsZero() && e.modified.Equal(f.Modified) && e.size == f.Size {
		return true // finished, and unchanged since
	}
	if e.input == nil {
		return true // of an input that is no more; kept so that it is not read again when the input returns
	}
	file, err := follow.Open(f.Path, f.Key)
	if err == nil {
		offset, tail := e.resume()
		err = file.Resume(offset, e.Head, tail)
	}
	switch {
	case errors.Is(err, follow.ErrTruncated), errors.Is(err, follow.ErrOther):
		if file == nil {
			return true // it went while we looked; the next scan sees more
		}
		_ = file.Close()
		if !e.modified.IsZero() || e.Path != f.Path {
			s.lose(e, "removed", 0) // finished, or moved since: a new file has its inode
		} else {
			s.truncated(e, now)
		}
		return false
	case err != nil:
		if file != nil {
			_ = file.Close()
		}
		s.unreadable(f.Path, err)
		return true
	}
	e.file, e.urgent, e.grown = file, true, f.Modified
	s.registry.change(func() {
		e.modified = time.Time{}
		e.size = max(file.Size(), file.Offset())
		if e.unread() > 0 {
			e.since = now
		}
		if e.oldest.IsZero() {
			e.oldest = e.since
		}
	})
	return true
}

// missing looks after known files that no scan has found.
func (s *Saver) missing(present map[*entry]bool, now time.Time) {
	keys, dirs, lost := map[follow.Key]bool{}, []string{}, []*entry{}
	for _, e := range s.registry.entries {
		switch {
		case present[e] || e.Truncated:
		case e.file != nil:
			e.rotated = true // moved out of sight, or removed: Look tells
		default:
			lost = append(lost, e)
			keys[e.Key] = true
			if dir := filepath.Dir(e.Path); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(lost) == 0 {
		return
	}
	// Renamed while we were down, to a name that no glob has: the inode finds it.
	paths := discover.Names(dirs, keys)
	for _, e := range lost {
		path, ok := paths[e.Key]
		info, err := os.Stat(path)
		if !ok || err != nil {
			s.lose(e, "removed", 0)
			continue
		}
		f := discover.Found{Input: e.Input, Path: path, Rel: e.Rel, Key: e.Key, Size: info.Size(), Modified: info.ModTime(), Rotated: true}
		if s.reopen(e, f, now) {
			e.rotated = true
			s.registry.change(func() { e.Path = path })
		}
	}
}

// look asks an open file for its size, and closes it when there is nothing more to expect.
func (s *Saver) look(e *entry, now time.Time) {
	linked, err := e.file.Look()
	if errors.Is(err, follow.ErrTruncated) {
		s.truncated(e, now)
		return
	}
	if err != nil {
		s.unreadable(e.Path, err)
		return
	}
	e.removed = !linked
	if size := e.file.Size(); size != e.size {
		e.grown = now
		s.registry.mu.Lock()
		e.size = size
		if e.since.IsZero() && e.unread() > 0 {
			e.since = now
			if e.oldest.IsZero() {
				e.oldest = now
			}
		}
		s.registry.mu.Unlock()
	}
	if e.Waits || e.unread() > 0 || len(e.replay) > 0 || now.Sub(e.grown) < linger {
		return
	}
	s.registry.mu.Lock()
	pending := len(e.Pending)
	s.registry.mu.Unlock()
	switch {
	case pending > 0:
	case e.removed:
		s.log.Info("file is gone, all of it is saved", "path", e.Path, "identity", e.Identity, "bytes", e.size)
		s.registry.forget(e)
	case e.rotated:
		s.shut(e)
	}
}

// shut closes a file that was put away and read to its end. It stays known, so that it is not read again.
func (s *Saver) shut(e *entry) {
	info, err := os.Stat(e.Path)
	if err != nil || info.Size() != e.size {
		return // gone or growing: look again
	}
	if key, ok := follow.KeyOf(info); !ok || key != e.Key {
		return // not its name any more
	}
	_ = e.file.Close()
	e.file = nil
	s.registry.change(func() { e.modified, e.since, e.oldest = info.ModTime(), time.Time{}, time.Time{} })
}

// lose forgets a file of which something may be missing, and says how much.
func (s *Saver) lose(e *entry, reason string, more int64) {
	offset, _ := e.resume()
	bytes := more
	for _, r := range e.replay {
		if !r.Done {
			bytes += r.End - offset
		}
		offset = r.End
	}
	if bytes > 0 {
		s.events.Lost(e.Input, reason, bytes)
		s.log.Error("lines may be missing", "reason", reason, "path", e.Path, "identity", e.Identity, "bytes", bytes)
	}
	s.registry.forget(e)
}
