package wire

import (
	"context"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// roleTime is how long a role stays with a server that is not heard of.
const roleTime = 15 * time.Second

// inRole runs something while this server holds a role, until the context ends.
func inRole(ctx context.Context, s store.Store, role, me string, run func(context.Context)) {
	for ctx.Err() == nil {
		if held, err := s.Hold(ctx, role, me, roleTime); err != nil || !held {
			wait(ctx, roleTime/5)
			continue
		}
		holding, lost := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(holding)
		}()
		renew(holding, s, role, me)
		lost()
		<-done
	}
	// The next one need not wait until the role falls free.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.Unhold(ending, role, me)
}

// renew until the role is another's, or would be by now.
func renew(ctx context.Context, s store.Store, role, me string) {
	renewed := time.Now()
	for time.Since(renewed) < roleTime*2/3 {
		if !wait(ctx, roleTime/5) {
			return
		}
		begun := time.Now()
		held, err := s.Hold(ctx, role, me, roleTime)
		if err == nil && !held {
			return
		}
		if err == nil {
			renewed = begun
		}
	}
}

// wait tells whether there is more to do.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Bounds of forgetting.
const (
	forgetEvery = time.Minute
	forgetBatch = 1000
)

// forget what was done longer ago than is to be remembered.
func forget(ctx context.Context, s store.Store, rt *image.Runtime[config.Config], now func() time.Time) {
	for {
		n, err := s.Forget(ctx, now().Add(-rt.File.Current().Retention.Std()), forgetBatch)
		pause := forgetEvery
		switch {
		case err != nil && ctx.Err() == nil:
			rt.Log.Warn("what is done is not forgotten", "error", err.Error())
		case n == forgetBatch:
			pause = 50 * time.Millisecond // there is more; others have their turn in between
		}
		if !wait(ctx, pause) {
			return
		}
	}
}
