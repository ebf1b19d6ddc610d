package saver

import (
	"context"
	"slices"
	"time"
)

// scanEvery is how often the globs are looked at although the kernel has told of no change.
const scanEvery = time.Second

// read goes round the files until ctx ends, or until all is cut after Drain.
func (s *Saver) read(ctx context.Context) {
	var scanned, looked time.Time
	tick := time.NewTicker(s.config.Poll.D())
	defer tick.Stop()
	var changed chan struct{}
	if s.watcher != nil {
		changed = s.watcher.C
	}
	for ctx.Err() == nil {
		now := time.Now()
		s.alive.Store(now.UnixNano())
		pace := s.config.Poll.D()
		if s.watching {
			pace = scanEvery
		}
		if s.rescan || now.Sub(scanned) >= pace {
			s.rescan = false
			s.scan(now)
			scanned, looked = now, time.Time{}
		}
		if now.Sub(looked) >= s.config.Poll.D()/2 { // a tick comes early at times
			s.lookAll(now)
			looked = now
		}
		idle, starved := s.round(ctx, now)
		if !idle && !s.told() {
			continue
		}
		var freed chan struct{}
		if starved {
			freed = s.freed
		}
		select {
		case <-ctx.Done():
		case <-s.stop:
			return
		case <-s.drain:
			s.readToEnd(ctx)
			return
		case <-freed:
		case <-changed:
			s.rescan = true
		case <-tick.C:
		}
	}
}

// told reports whether Drain or Stop was called.
func (s *Saver) told() bool {
	select {
	case <-s.drain:
		return true
	case <-s.stop:
		return true
	default:
		return false
	}
}

func (s *Saver) lookAll(now time.Time) {
	for _, e := range slices.Clone(s.registry.entries) {
		if e.file != nil {
			s.look(e, now)
		}
	}
	s.resolveCopies(now)
	s.orphans(now)
}

// round takes at most one batch of each file. idle tells that none was due, or that no memory was free (starved).
func (s *Saver) round(ctx context.Context, now time.Time) (idle, starved bool) {
	idle = true
	entries := slices.Clone(s.registry.entries)
	for i := range entries {
		// The next round begins where this one ran out of memory, so that no file starves behind busy ones.
		e := entries[(s.turn+i)%len(entries)]
		if ctx.Err() != nil || !s.due(e, now) {
			continue
		}
		m := s.pool.get(e.next())
		if m == nil {
			s.turn = (s.turn + i) % len(entries)
			return true, true
		}
		if s.take(e, m, now) {
			idle = false
		}
	}
	return idle, false
}

// readToEnd takes what the files hold: whole lines first, and when they grow no more, also a last line that has no end.
// Where main is stopped at the same time, it may write for a while: up to half of the grace is spent on following that.
func (s *Saver) readToEnd(ctx context.Context) {
	s.draining = true
	const pause = 100 * time.Millisecond
	end := time.Now().Add(s.config.Shutdown.Grace.D() / 2)
	for first := true; ; first = false {
		now := time.Now()
		before := s.total()
		s.scan(now)
		s.lookAll(now)
		s.flushing = !first && s.total() == before || now.After(end)
		s.exhaust(ctx)
		if s.flushing || ctx.Err() != nil {
			return
		}
		wait(ctx, pause)
	}
}

// total is the number of bytes that all files are known to have.
func (s *Saver) total() (bytes int64) {
	for _, e := range s.registry.entries {
		bytes += e.size
	}
	return bytes
}

// exhaust goes round until nothing is due.
func (s *Saver) exhaust(ctx context.Context) {
	for ctx.Err() == nil {
		s.alive.Store(time.Now().UnixNano())
		idle, starved := s.round(ctx, time.Now())
		switch {
		case starved:
			select {
			case <-s.freed:
			case <-ctx.Done():
			}
		case idle:
			return
		}
	}
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
