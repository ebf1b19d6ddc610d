package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Run a function whenever the own group leads an election, and as long as it does.
//
// Its context ends, with the cause ErrNotLeader, when the elector says that it does not lead any more; and when the elector has not said
// that it does for as long as its last answer holds, by the local clock. A function that goes on after that is on its own; Run waits for
// it, and then to lead again. The context may end a moment after another one leads, if the seat was given away and on_demoted is not
// used: so say the term with all that is written.
//
// If the function returns while it leads, Run resigns, and returns what it has returned. If ctx ends, Run resigns, and returns why it
// has ended, after the function.
func (c *Client) Run(ctx context.Context, election string, lead func(ctx context.Context, term uint64) error) error {
	for pause := againFirst; ctx.Err() == nil; {
		is, err := c.become(ctx, election)
		var wrong *Error
		switch {
		case err == nil:
			pause = againFirst
		case errors.Is(err, ErrNotLeader):
			continue // it has waited
		case errors.As(err, &wrong) && wrong.Status < 500:
			return err
		default:
			pass(ctx, pause)
			pause = min(2*pause, againLast)
			continue
		}
		if ended, err := c.reign(ctx, election, is, lead); ended {
			return err
		}
	}
	return ctx.Err()
}

// become the leader, or wait for it for a while.
func (c *Client) become(ctx context.Context, election string) (Election, error) {
	if _, err := c.ask(ctx, http.MethodPost, election, "/become-leader?wait="+wait.String(), wait+askWithin); err != nil {
		return Election{}, err
	}
	return c.Renew(ctx, election) // what the other holds for is counted from before it has waited
}

// reign in one term. It tells whether that was the last.
func (c *Client) reign(ctx context.Context, election string, is Election, lead func(context.Context, uint64) error) (ended bool, err error) {
	during, end := context.WithCancelCause(ctx)
	defer end(nil)
	var others sync.WaitGroup
	done := make(chan error, 1)
	go func() { done <- lead(during, is.Term) }()
	others.Go(func() { c.hold(during, election, is, func() { end(ErrNotLeader) }) })
	err = <-done
	leads := !errors.Is(context.Cause(during), ErrNotLeader)
	end(nil)
	others.Wait()
	if !leads {
		return ctx.Err() != nil, ctx.Err()
	}
	// While it led it has returned, or was told to.
	resign, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	_ = c.Resign(resign, election, "") // or it runs out
	if ctx.Err() != nil && err == nil {
		err = ctx.Err()
	}
	return true, err
}

// hold on to a term: renew it, and watch for its end.
func (c *Client) hold(ctx context.Context, election string, is Election, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lapse := time.AfterFunc(time.Until(is.Until), end)
	defer lapse.Stop()
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = c.Watch(ctx, election, func(Election) { // it ends with the context, or hold does by what Renew says
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	})
	defer watching.Wait()
	defer cancel()
	for {
		timer := time.NewTimer(max(time.Until(is.Until)/3, againFirst))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		next, err := c.Renew(ctx, election)
		switch {
		case err == nil && next.Term != is.Term, errors.Is(err, ErrNotLeader):
			end()
			return
		case err == nil && lapse.Stop():
			is = next
			lapse.Reset(time.Until(is.Until))
		case err == nil:
			return // it was too late
		}
	}
}
