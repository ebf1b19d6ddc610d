// Package clock is the queue's time: it never goes back, also not over restarts, whatever the machine's clock does.
//
// Delays and leases are instants in the database. With the wall clock a step back would keep what is due from being done,
// and a step forward would end all leases at once. So the time is a base, read once at start, and the monotonic clock from
// there on; the base is the wall clock's, or what the queue's time was when it was last saved, if that is later. Steps
// while the server runs have no effect; a wall clock that is behind at start lets time go on from where it was.
package clock

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// mark is where the time is kept.
const mark = "clock"

// ahead is how much later than the time what is saved is: time may go on for so long without being saved again. After a
// restart the time is later by up to that, so it is short against the timeouts of leases.
const ahead = 4 * time.Second

// Marks keep small facts durably.
type Marks interface {
	Mark(ctx context.Context, key string) (string, error)
	SetMark(ctx context.Context, key, value string) error
}

// A Clock is safe for concurrent use. It begins with the wall clock, so that a store that needs it can be opened; Restore
// then lets it continue what that store remembers.
type Clock struct {
	wall  func() time.Time
	since func() time.Duration // monotonic
	start time.Time
	// offset in nanoseconds that Restore has added.
	offset atomic.Int64
}

// New clock.
func New() *Clock {
	start := time.Now()
	return with(wall, func() time.Duration { return time.Since(start) })
}

func with(wall func() time.Time, since func() time.Duration) *Clock {
	return &Clock{wall: wall, since: since, start: wall().Round(0).Add(-since())}
}

// Now is the queue's time.
func (c *Clock) Now() time.Time {
	return c.start.Add(c.since() + time.Duration(c.offset.Load()))
}

// Restore lets the time go on from what was saved, if that is later than now. Call it before the first item is received.
func (c *Clock) Restore(ctx context.Context, marks Marks) error {
	text, err := marks.Mark(ctx, mark)
	if err != nil {
		return fmt.Errorf("read the queue's time: %w", err)
	}
	if text != "" {
		saved, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("read the queue's time: mark %q is %q, want nanoseconds since 1970: %w", mark, text, err)
		}
		if behind := time.Unix(0, saved).Sub(c.Now()); behind > 0 {
			c.offset.Add(int64(behind))
		}
	}
	return c.save(ctx, marks)
}

// Run saves the time until ctx ends, and tells of failures, after which it goes on.
func (c *Clock) Run(ctx context.Context, marks Marks, failed func(error)) {
	tick := time.NewTicker(ahead / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.save(ctx, marks); err != nil && ctx.Err() == nil {
				failed(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// save a time that is never earlier than what was told.
func (c *Clock) save(ctx context.Context, marks Marks) error {
	until := c.Now().Add(ahead).UnixNano()
	if err := marks.SetMark(ctx, mark, strconv.FormatInt(until, 10)); err != nil {
		return fmt.Errorf("save the queue's time: %w", err)
	}
	return nil
}

// Behind is how much later the queue's time is than the wall clock; negative if it is earlier. Who logs it says that the
// machine's clock was stepped.
func (c *Clock) Behind() time.Duration { return c.Now().Sub(c.wall().Round(0)) }
