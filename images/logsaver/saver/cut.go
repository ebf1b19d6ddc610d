package saver

import (
	"errors"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/checkpoint"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/deliver"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/frame"
)

// linger is how long a file that was rotated or removed stays open after its last growth: its writer may not have
// opened the new one yet.
const linger = 5 * time.Second

// due tells whether something of the file is to be cut now.
func (s *Saver) due(e *entry, now time.Time) bool {
	if e.file == nil || e.Waits {
		return false
	}
	if len(e.replay) > 0 {
		return true
	}
	unread := e.unread()
	if unread == 0 || e.held == (attempt{e.size, e.file.Offset(), int(s.mode(e, now))}) {
		return false
	}
	// A file that was put away is finished at once: it may be removed while the saver is down.
	return unread >= s.maxBytes || e.rotated || e.removed || e.urgent || s.draining || now.Sub(e.since) >= s.maxAge
}

// mode tells how much may be taken from the end of what is there.
func (s *Saver) mode(e *entry, now time.Time) frame.Mode {
	quiet := now.Sub(e.grown)
	switch {
	case e.removed && quiet >= linger, s.flushing, e.Truncated:
		return frame.Flush
	case e.input.settle > 0 && (quiet >= e.input.settle || s.draining):
		return frame.Settle
	}
	return frame.Hold
}

// cut takes the next range of the file into the memory. It returns nil if no record is complete.
func (s *Saver) cut(e *entry, m *memory, now time.Time) (*batch.Batch, uint64, error) {
	if len(e.replay) > 0 {
		return s.cutAgain(e, m)
	}
	mode, start := s.mode(e, now), e.file.Offset()
	window, err := e.file.Read(m.room(m.limit + follow.TailLen))
	if err != nil {
		return nil, 0, err
	}
	if start == 0 && len(window) > 0 && window[0] == 0 {
		return nil, 0, s.skipHole(e)
	}
	window = window[:min(len(window), m.limit)]
	full := len(window) == m.limit
	cut := e.input.rules.Cut(window, mode, e.file.MidLine(), full, m.cooked)
	if cut.Length == 0 {
		e.held = attempt{e.size, start, int(mode)}
		return nil, 0, nil
	}
	e.file.Advance(window[:cut.Length])
	noted := checkpoint.Range{
		End: start + int64(cut.Length), Open: cut.Open, Tail: e.file.Tail(),
		// Times rise over the batches of a file, and repeat on a replay.
		First: later(e.since, e.lastCut).UTC(), Last: later(now, e.lastCut).UTC(),
	}
	version := s.registry.change(func() {
		e.Head = e.file.Head()
		e.Pending = append(e.Pending, noted)
		e.size = max(e.size, e.file.Size())
		if len(e.Pending) == 1 {
			e.oldest = noted.First
		}
		e.since = time.Time{}
		if e.unread() > 0 {
			e.since = now
		}
	})
	e.lastCut, e.urgent = noted.Last, false
	s.events.Read(e.Input, cut.Lines, cut.Length, cut.Split)
	return s.finish(e, m, start, noted, cut), version, nil
}

// skipHole moves to the first byte that was written. No record is made of the zeros before it.
func (s *Saver) skipHole(e *entry) error {
	offset, err := e.file.Data()
	if err != nil {
		return err
	}
	if err := e.file.Begin(offset); err != nil {
		return err
	}
	s.registry.change(func() { e.Offset, e.Head, e.Tail = offset, e.file.Head(), e.file.Tail() })
	s.log.Info("file begins with a hole, as after a truncation", "path", e.Path, "identity", e.Identity, "bytes", offset)
	return nil
}

// cutAgain takes the very range that a predecessor has noted.
func (s *Saver) cutAgain(e *entry, m *memory) (*batch.Batch, uint64, error) {
	noted, start := e.replay[0], e.file.Offset()
	length := int(noted.End - start)
	window, err := e.file.Read(m.room(length + follow.TailLen))
	if err != nil {
		return nil, 0, err
	}
	if len(window) < length {
		return nil, 0, follow.ErrTruncated
	}
	window = window[:length]
	mode, midLine := frame.Flush, e.file.MidLine()
	if noted.Open {
		mode = frame.Open
	}
	e.file.Advance(window)
	e.replay = e.replay[1:]
	e.lastCut = noted.Last
	if noted.Done {
		return nil, 0, nil
	}
	cut := e.input.rules.Cut(window, mode, midLine, false, m.cooked)
	s.events.Replayed(e.Input, cut.Lines)
	version := s.registry.change(func() { e.Head = e.file.Head() })
	return s.finish(e, m, start, noted, cut), version, nil
}

// finish makes the batch. One without records (the rest of a line's end) needs no delivery.
func (s *Saver) finish(e *entry, m *memory, start int64, noted checkpoint.Range, cut frame.Cut) *batch.Batch {
	if cut.Lines == 0 {
		s.registry.Ack(e.Identity, start, noted.End)
		return nil
	}
	b := s.registry.batch(e, start, noted)
	b.Records, b.Lines, b.Ends = cut.Records, cut.Lines, cut.Ends
	if cut.Copied {
		m.cooked = cut.Records // it may have grown; keep the larger memory
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// take cuts one batch of the file and hands it over. It returns false if nothing was taken.
func (s *Saver) take(e *entry, m *memory, now time.Time) bool {
	before := e.file.Offset()
	b, version, err := s.cut(e, m, now)
	if b != nil {
		s.submit(deliver.Item{Batch: b, Version: version, Hurry: e.rotated || e.removed}, m)
		return true
	}
	s.pool.put(m)
	switch {
	case errors.Is(err, follow.ErrTruncated):
		s.truncated(e, now)
		return true
	case err != nil:
		s.unreadable(e.Path, err)
		e.held = attempt{e.size, e.file.Offset(), int(s.mode(e, now))}
		return false
	}
	return e.file.Offset() > before
}
