package storetest

import (
	"sync"
	"time"
)

// A Clock goes when it is told to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock at some time in microseconds, the finest that all databases keep.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 11, 21, 12, 0, 0, 123456000, time.UTC)} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance the time.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
