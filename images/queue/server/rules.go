package server

import (
	"math/rand/v2"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// removed is how the items of a stage are treated that is no longer configured.
var removed = func() config.Stage {
	c := config.Config{Stages: map[string]config.Stage{"removed": {}}}
	c.SetDefaults()
	return c.Stages["removed"]
}()

func (s *Server) stage(name string) config.Stage {
	if stage, ok := s.plan.Load().Stages[name]; ok {
		return stage
	}
	return removed
}

// rule for leases that end by themselves.
func (s *Server) rule(stage string) store.Rule {
	c := s.stage(stage)
	return store.Rule{MaxAttempts: c.MaxAttempts, Delay: func(attempt int) time.Duration { return backoff(c.Backoff, attempt) }}
}

// backoff doubles with each attempt, from the first. Half of it is chance, so that items that failed together do not come
// back together.
func backoff(b config.Backoff, attempt int) time.Duration {
	pause := b.Min.Std()
	for range min(max(attempt, 1), 62) - 1 {
		if pause >= b.Max.Std()/2 {
			pause = b.Max.Std()
			break
		}
		pause *= 2
	}
	pause = min(pause, b.Max.Std())
	if pause <= 1 {
		return pause
	}
	return pause/2 + rand.N(pause/2+1)
}
