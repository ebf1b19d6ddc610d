// Package health gathers the named checks that say whether a container is alive and ready, and why not.
package health

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"
)

// timeout bounds one check, below the second that engines grant a probe by default.
const timeout = 800 * time.Millisecond

// A Check returns the reason why something is not well, or nil.
type Check func(ctx context.Context) error

// Checks is a set of named checks that are asked together.
type Checks struct {
	mu     sync.Mutex
	checks map[string]*entry
}

type entry struct {
	check   Check
	running bool
	failing time.Time // since when; zero if well
}

// A Result is what one check said.
type Result struct {
	Name   string     `json:"name"`
	OK     bool       `json:"ok"`
	Reason string     `json:"reason,omitempty"`
	Since  *time.Time `json:"since,omitempty"` // since when it fails, as far as anybody has asked
}

// Add registers a check under a name, in place of one that had it before.
func (c *Checks) Add(name string, check Check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checks == nil {
		c.checks = map[string]*entry{}
	}
	c.checks[name] = &entry{check: check}
}

// Ask runs all checks at once and gives what they said, sorted by name, and whether all are well.
func (c *Checks) Ask(ctx context.Context) ([]Result, bool) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c.mu.Lock()
	entries := make(map[string]*entry, len(c.checks))
	for name, e := range c.checks {
		entries[name] = e
	}
	c.mu.Unlock()

	answers := make(chan Result, len(entries))
	for name, e := range entries {
		go func() { answers <- c.ask(ctx, name, e) }()
	}
	results := make([]Result, 0, len(entries))
	well := true
	for range entries {
		result := <-answers
		well = well && result.OK
		results = append(results, result)
	}
	sort.Slice(results, func(i, j int) bool { return results[i].Name < results[j].Name })
	return results, well
}

func (c *Checks) ask(ctx context.Context, name string, e *entry) Result {
	c.mu.Lock()
	stuck := e.running
	e.running = true
	c.mu.Unlock()
	if stuck { // a check that hangs is not started again for every probe
		return c.result(name, e, errors.New("an earlier check has not answered yet"))
	}
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if panicked := recover(); panicked != nil {
				err = fmt.Errorf("the check panicked: %v", panicked)
			}
			c.mu.Lock()
			e.running = false
			c.mu.Unlock()
			done <- err
		}()
		err = e.check(ctx)
	}()
	select {
	case err := <-done:
		return c.result(name, e, err)
	case <-ctx.Done():
		return c.result(name, e, fmt.Errorf("no answer within %s", timeout))
	}
}

func (c *Checks) result(name string, e *entry, err error) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		e.failing = time.Time{}
		return Result{Name: name, OK: true}
	}
	if e.failing.IsZero() {
		e.failing = time.Now().UTC()
	}
	since := e.failing
	return Result{Name: name, Reason: err.Error(), Since: &since}
}
