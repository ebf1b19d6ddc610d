// Package lifecycle takes a process from its start to its end: starting, running, draining, flushing, stopped.
//
// Termination is one thing, whatever begins it (a signal, a request, a task that failed): the process says that it is not ready, drains what is in flight, ends its tasks, flushes, and exits, all within its grace. A second signal ends it at once.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// A State is where a process is in its life.
type State string

// The states, in their order.
const (
	Starting State = "starting"
	Running  State = "running"
	Draining State = "draining"
	Flushing State = "flushing"
	Stopped  State = "stopped"
)

// States lists them in order.
var States = []State{Starting, Running, Draining, Flushing, Stopped}

// Exit codes.
const (
	ExitClean     = 0   // terminated in order
	ExitFailure   = 1   // a start or a task or a hook failed; termination was in order otherwise
	ExitPanic     = 2   // as Go's own
	ExitGrace     = 3   // the grace ended before the work did
	ExitConfig    = 78  // the configuration is invalid (EX_CONFIG of sysexits.h)
	ExitSignalled = 128 // plus the number of the second signal
)

// drainShare is the part of the grace that draining may use; the rest is for the flush.
const drainShare = 0.75

// A Hook is one step of termination. Its context ends with the time it may take.
type Hook func(ctx context.Context) error

type namedHook struct {
	name string
	run  Hook
}

// A Process is the life of this process.
type Process struct {
	log        *slog.Logger
	grace      time.Duration
	drainDelay time.Duration

	terminate chan struct{} // closed when termination begins
	work      context.Context
	endWork   context.CancelFunc
	tasks     sync.WaitGroup
	exit      func(code int)

	mu     sync.Mutex
	status Status
	drain  []namedHook
	flush  []namedHook
	failed bool
}

// Status is what /lifecycle tells.
type Status struct {
	State    State      `json:"state"`
	Since    time.Time  `json:"since"`
	Reason   string     `json:"reason,omitempty"`   // why termination began
	Step     string     `json:"step,omitempty"`     // the hook that runs now
	Deadline *time.Time `json:"deadline,omitempty"` // when termination ends at the latest
}

// New makes a process that is starting.
func New(log *slog.Logger, grace, drainDelay time.Duration, exit func(code int)) *Process {
	p := &Process{
		log: log, grace: grace, drainDelay: drainDelay, exit: exit,
		terminate: make(chan struct{}),
		status:    Status{State: Starting, Since: time.Now().UTC()},
	}
	p.work, p.endWork = context.WithCancel(context.Background())
	return p
}

// Status tells where the process is.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// State tells just the state.
func (p *Process) State() State { return p.Status().State }

// SetGrace changes the grace and the delay of a termination that has not begun.
func (p *Process) SetGrace(grace, drainDelay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grace, p.drainDelay = grace, drainDelay
}

// OnDrain registers a hook that finishes work in flight. Tasks go on while drain hooks run. Hooks run in the order of their registration.
func (p *Process) OnDrain(name string, hook Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drain = append(p.drain, namedHook{name, hook})
}

// OnFlush registers a hook that puts away what is left, after all tasks have ended. Hooks run in the order of their registration.
func (p *Process) OnFlush(name string, hook Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush = append(p.flush, namedHook{name, hook})
}

// Go runs a task until its context ends, which is after the drain hooks. A task that fails before terminates the process; one that panics ends it at once, because no flush should write down what a panic left half done.
func (p *Process) Go(name string, task func(ctx context.Context) error) {
	p.tasks.Add(1)
	go func() {
		defer p.tasks.Done()
		defer func() {
			if panicked := recover(); panicked != nil {
				p.log.Error("panic", "task", name, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
				p.exit(ExitPanic)
			}
		}()
		err := task(p.work)
		if err == nil || p.work.Err() != nil && errors.Is(err, context.Canceled) {
			return
		}
		p.log.Error("task failed", "task", name, "error", err.Error())
		p.fail()
		p.Terminate(fmt.Sprintf("task %s failed: %v", name, err))
	}()
}

// Context ends when the tasks must.
func (p *Process) Context() context.Context { return p.work }

// Terminating is closed when termination begins.
func (p *Process) Terminating() <-chan struct{} { return p.terminate }

// Start runs what must be done before the process is running. Its context is that of the tasks, and ends at once if termination begins before Start has returned: there is nothing in flight yet that could be drained. A panic is returned as an error.
func (p *Process) Start(start func(ctx context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil {
				done <- fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
			}
		}()
		done <- start(p.work)
	}()
	var err error
	select {
	case err = <-done:
	case <-p.terminate:
		p.endWork()
		select {
		case err = <-done:
		case <-time.After(p.grace):
			err = errors.New("the start did not end in time")
		}
		if errors.Is(err, context.Canceled) {
			err = nil // as it was told to
		}
	}
	if err != nil {
		p.endWork()
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status.Reason == "" {
		p.enter(Running)
	}
	return nil
}

// Terminate begins the termination and returns. Only the first call counts.
func (p *Process) Terminate(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status.Reason != "" {
		return
	}
	deadline := time.Now().UTC().Add(p.grace)
	p.status.Reason, p.status.Deadline = reason, &deadline
	p.enter(Draining) // here already, so that no readiness probe is answered well after this
	p.log.Info("termination begins", "reason", reason, "grace", p.grace.String())
	close(p.terminate)
}

// Wait blocks until the process has been told to terminate and has done so, and gives its exit code.
func (p *Process) Wait() int {
	<-p.terminate
	p.mu.Lock()
	deadline, delay, drain, flush := *p.status.Deadline, p.drainDelay, p.drain, p.flush
	p.mu.Unlock()

	whole, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	remaining := time.Until(deadline)
	part, cancelPart := context.WithTimeout(whole, time.Duration(float64(remaining)*drainShare))
	defer cancelPart()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-part.Done():
		}
	}
	inTime := p.run(part, "drain", drain)
	p.endWork()
	inTime = p.waitForTasks(whole) && inTime
	p.mu.Lock()
	p.enter(Flushing)
	p.mu.Unlock()
	inTime = p.run(whole, "flush", flush) && inTime

	p.mu.Lock()
	defer p.mu.Unlock()
	p.enter(Stopped)
	p.status.Step = ""
	code := ExitClean
	switch {
	case !inTime:
		code = ExitGrace
	case p.failed:
		code = ExitFailure
	}
	p.log.Info("terminated", "exit_code", code, "reason", p.status.Reason)
	return code
}

// run runs hooks in order. A hook that does not return in time is left behind; those after it still get what time there is.
func (p *Process) run(ctx context.Context, phase string, hooks []namedHook) (inTime bool) {
	inTime = true
	for _, hook := range hooks {
		p.mu.Lock()
		p.status.Step = phase + " " + hook.name
		p.mu.Unlock()
		done := make(chan error, 1)
		go func() {
			defer func() {
				if panicked := recover(); panicked != nil {
					p.log.Error("panic", "hook", hook.name, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
					p.exit(ExitPanic)
				}
			}()
			done <- hook.run(ctx)
		}()
		select {
		case err := <-done:
			switch {
			case err == nil:
			case ctx.Err() != nil:
				inTime = false
				p.log.Error("hook was out of time", "phase", phase, "hook", hook.name, "error", err.Error())
			default:
				p.fail()
				p.log.Error("hook failed", "phase", phase, "hook", hook.name, "error", err.Error())
			}
		case <-ctx.Done():
			inTime = false
			p.log.Error("hook did not return in time", "phase", phase, "hook", hook.name)
		}
	}
	return inTime
}

func (p *Process) waitForTasks(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		p.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		p.log.Error("tasks did not end in time")
		return false
	}
}

func (p *Process) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = true
}

// enter changes the state; the caller holds the lock.
func (p *Process) enter(state State) {
	p.status.State, p.status.Since = state, time.Now().UTC()
	p.log.Debug("lifecycle", "state", string(state))
}
