package election

import "time"

// A Clock tells the time since some moment, and goes on while the process or its machine is stopped.
type Clock interface {
	Now() time.Duration
	// After gives a channel on which something comes when so much time has gone by.
	After(d time.Duration) <-chan time.Time
}

// System is the machine's clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Duration { return boottime() }

func (system) After(d time.Duration) <-chan time.Time { return time.After(d) }
