package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// steps records what happened, in order.
type steps struct {
	mu   sync.Mutex
	list []string
}

func (s *steps) add(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, step)
}

func quiet(t *testing.T, grace time.Duration) *Process {
	return New(slog.New(slog.DiscardHandler), grace, 0, func(code int) { t.Errorf("exit %d was not expected", code) })
}

func started(context.Context) error { return nil }

func TestTerminationGoesInOrder(t *testing.T) {
	var seen steps
	p := quiet(t, 10*time.Second)
	assert.Equal(t, Starting, p.State())
	require.NoError(t, p.Start(started))
	assert.Equal(t, Running, p.State())
	p.Go("task", func(ctx context.Context) error {
		<-ctx.Done()
		seen.add("task ends")
		return ctx.Err()
	})
	hook := func(name string) Hook {
		return func(context.Context) error { seen.add(name + " while " + string(p.State())); return nil }
	}
	p.OnFlush("spool", hook("spool"))
	p.OnDrain("listeners", hook("listeners"))
	p.OnDrain("requests", hook("requests"))
	p.OnFlush("checkpoint", hook("checkpoint"))
	p.Terminate("a test")
	p.Terminate("a second reason")
	assert.Equal(t, Draining, p.State(), "from the first moment")
	assert.Equal(t, ExitClean, p.Wait())
	assert.Equal(t, []string{
		"listeners while draining", "requests while draining", "task ends", "spool while flushing", "checkpoint while flushing",
	}, seen.list)
	assert.Equal(t, Stopped, p.State())
	assert.Equal(t, "a test", p.Status().Reason)
}

func TestExitCodes(t *testing.T) {
	forever := func(context.Context) error { select {} }
	cases := []struct {
		name    string
		prepare func(p *Process)
		want    int
	}{
		{name: "nothing went wrong", prepare: func(p *Process) { p.Terminate("a test") }, want: ExitClean},
		{name: "a task that fails terminates the process", want: ExitFailure, prepare: func(p *Process) {
			p.Go("task", func(context.Context) error { return errors.New("disk full") })
		}},
		{name: "a task that has nothing left to do does not", want: ExitClean, prepare: func(p *Process) {
			p.Go("short", func(context.Context) error { return nil })
			p.Terminate("a test")
		}},
		{name: "a hook that fails is a failure", want: ExitFailure, prepare: func(p *Process) {
			p.OnFlush("spool", func(context.Context) error { return errors.New("disk full") })
			p.Terminate("a test")
		}},
		{name: "a hook that hangs is left behind when the grace ends", want: ExitGrace, prepare: func(p *Process) {
			p.OnDrain("requests", forever)
			p.Terminate("a test")
		}},
		{name: "a task that does not end is left behind when the grace ends", want: ExitGrace, prepare: func(p *Process) {
			p.Go("task", forever)
			p.Terminate("a test")
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := quiet(t, 300*time.Millisecond)
			require.NoError(t, p.Start(started))
			c.prepare(p)
			assert.Equal(t, c.want, p.Wait())
		})
	}
}

func TestTheFlushHasTimeLeftWhenTheDrainHasNot(t *testing.T) {
	p := quiet(t, time.Second)
	require.NoError(t, p.Start(started))
	p.OnDrain("requests", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	var left time.Duration
	p.OnFlush("spool", func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return ctx.Err()
	})
	p.Terminate("a test")
	assert.Equal(t, ExitGrace, p.Wait())
	assert.Greater(t, left, 100*time.Millisecond)
}

func TestAPanicInATaskEndsTheProcessAtOnce(t *testing.T) {
	code := make(chan int, 1)
	p := New(slog.New(slog.DiscardHandler), time.Second, 0, func(c int) { code <- c })
	p.Go("task", func(context.Context) error { panic("nil map") })
	assert.Equal(t, ExitPanic, <-code)
	assert.Equal(t, Starting, p.State(), "no flush runs over what a panic left")
}

func TestTerminationDuringTheStartEndsTheStart(t *testing.T) {
	p := quiet(t, time.Second)
	err := p.Start(func(ctx context.Context) error {
		p.Terminate("a test")
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, err)
	assert.Equal(t, Draining, p.State())
	assert.Equal(t, ExitClean, p.Wait())
}

func TestAPanicDuringTheStartIsAnError(t *testing.T) {
	require.ErrorContains(t, quiet(t, time.Second).Start(func(context.Context) error { panic("nil map") }), "panic: nil map")
}
