package saver

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// A rotation by copying (logrotate's copytruncate) writes a copy of the file and then truncates the file. The lines of
// the copy have been read already, all but those that were written just before. So the copy takes the place of what the
// file was: it goes on under the same identity, at the same offset. What no copy gives back is counted.

const (
	// copyTime is how long a file must not have changed to be taken for complete.
	copyTime = time.Second
	// defaultOrphanTime is how long a truncated file waits for its copy.
	defaultOrphanTime = 30 * time.Second
)

// truncated ends a file whose bytes are gone. What the name leads to now is found by the next scan as a new file.
func (s *Saver) truncated(e *entry, now time.Time) {
	s.events.Truncated(e.Input)
	file := e.file
	var offset int64
	s.registry.change(func() {
		offset, e.doubted = e.offset(), e.unread()
		e.file, e.Truncated, e.ended = nil, true, now
		e.since = time.Time{}
	})
	if file != nil {
		_ = file.Close()
	}
	s.log.Warn("file was truncated", "path", e.Path, "identity", e.Identity, "offset", offset, "unread_bytes", e.doubted)
	s.rescan = true
}

// orphans drops truncated files that nothing can be expected of any more.
func (s *Saver) orphans(now time.Time) {
	for _, e := range slices.Clone(s.registry.entries) {
		if !e.Truncated || now.Sub(e.ended) < s.orphanTime {
			continue
		}
		s.registry.mu.Lock()
		underway := len(e.Pending) - len(e.replay)
		s.registry.mu.Unlock()
		if underway == 0 {
			s.lose(e, "truncated", e.doubted)
		}
	}
}

// mayBeCopy tells whether a new file might be a copy of one that is known: it stands beside it, under its name with
// something added.
func (s *Saver) mayBeCopy(e *entry) bool {
	return slices.ContainsFunc(s.registry.entries, func(other *entry) bool { return e.beside(other) })
}

func (e *entry) beside(other *entry) bool {
	return other != e && other.Input == e.Input &&
		(e.rotated && other.Rel == e.Rel || strings.HasPrefix(e.Path, other.Path+".") || strings.HasPrefix(e.Path, other.Path+"-"))
}

// resolveCopies decides about new files that may be copies.
func (s *Saver) resolveCopies(now time.Time) {
	for _, e := range slices.Clone(s.registry.entries) {
		if e.Waits && e.file != nil {
			s.resolve(e, now)
		}
	}
}

func (s *Saver) resolve(e *entry, now time.Time) {
	complete := now.Sub(e.grown) >= copyTime || s.draining
	verdicts := map[verdict]*entry{}
	for _, other := range slices.Clone(s.registry.entries) {
		if !e.beside(other) || other.Waits {
			continue
		}
		verdict, err := s.compare(e, other, now)
		if err != nil {
			s.unreadable(e.Path, err)
			return
		}
		verdicts[verdict] = other
	}
	switch {
	case verdicts[adopts] != nil:
		s.adopt(verdicts[adopts], e, now)
	case verdicts[covered] != nil && complete:
		s.pass(e)
	case verdicts[covered] != nil, verdicts[maybe] != nil && (!complete || e.size > 0):
		// A copy of a file that has not been read as far is decided about when it has.
	case verdicts[outrun] != nil && complete:
		s.pass(e)
		s.lose(verdicts[outrun], "truncated", verdicts[outrun].doubted)
	default:
		s.registry.change(func() { e.Waits = false })
	}
}

type verdict int

const (
	differs verdict = iota
	maybe           // alike so far, or not yet clear
	covered         // a copy of a file that was read at least as far
	outrun          // the same, and that file was truncated since
	adopts          // a copy of what was truncated, and of more than was read
)

// compare tells what a new file is to another one beside it.
func (s *Saver) compare(e, other *entry, now time.Time) (verdict, error) {
	if other.file != nil && errors.Is(other.file.Intact(), follow.ErrTruncated) {
		s.truncated(other, now)
	}
	s.registry.mu.Lock()
	offset, tail := other.resume()
	s.registry.mu.Unlock()
	switch {
	case other.Truncated:
		holds, err := e.file.Holds(offset, other.Head, tail)
		if err != nil || holds {
			return adopts, err
		}
		begins, err := e.file.BeginsAs(other.Head)
		if begins && e.size < offset {
			return outrun, err
		}
		return differs, err
	case other.file == nil && other.modified.IsZero():
		return maybe, nil // not looked at yet
	case other.file == nil:
		return differs, nil // finished, and not truncated
	case e.size == 0:
		return maybe, nil
	}
	same, err := e.file.CopyOf(other.file)
	switch {
	case err != nil || !same:
		return differs, err
	case other.file.Offset() >= e.size:
		return covered, nil
	}
	return maybe, nil
}

// adopt lets the copy take the place of what was truncated.
func (s *Saver) adopt(lost, copied *entry, now time.Time) {
	file, key, path, size := copied.file, copied.Key, copied.Path, copied.size
	copied.file = nil
	s.registry.forget(copied)
	s.registry.mu.Lock()
	offset, tail := lost.resume()
	s.registry.mu.Unlock()
	if err := file.Resume(offset, lost.Head, tail); err != nil {
		_ = file.Close() // the next scan finds it again
		s.unreadable(path, err)
		return
	}
	s.registry.change(func() {
		lost.file, lost.Key, lost.Path, lost.Truncated = file, key, path, false
		lost.size = max(size, offset)
		lost.doubted = 0
		if lost.unread() > 0 {
			lost.since = now
		}
	})
	lost.rotated, lost.urgent, lost.grown = true, true, now
	s.log.Info("the copy of a truncated file gives back what was missing", "path", path, "identity", lost.Identity, "bytes", lost.unread())
}

// pass takes a copy for read.
func (s *Saver) pass(e *entry) {
	if err := e.file.Begin(e.size); err != nil {
		s.unreadable(e.Path, err)
		return
	}
	e.rotated = true
	s.registry.change(func() {
		e.Waits = false
		e.Offset, e.Head, e.Tail = e.file.Offset(), e.file.Head(), e.file.Tail()
		e.since, e.oldest = time.Time{}, time.Time{}
	})
	s.log.Info("file is a copy of one that was read", "path", e.Path)
}
