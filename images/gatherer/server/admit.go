package server

import (
	"context"
	"sync/atomic"
	"time"
)

// An admission bounds how many requests are worked on, and how many wait for that.
type admission struct {
	working chan struct{}
	waiting atomic.Int64
	queue   int64
}

func newAdmission(concurrency, queue int) *admission {
	return &admission{working: make(chan struct{}, concurrency), queue: int64(queue)}
}

// enter waits for its turn, until the deadline at most. False is a refusal.
func (a *admission) enter(ctx context.Context, deadline time.Time) bool {
	select {
	case a.working <- struct{}{}:
		return true
	default:
	}
	if a.waiting.Add(1) > a.queue {
		a.waiting.Add(-1)
		return false
	}
	defer a.waiting.Add(-1)
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case a.working <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (a *admission) leave() { <-a.working }
