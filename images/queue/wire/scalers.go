package wire

import (
	"context"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale/nomad"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// scalers runs the scaler of the configuration in use: what is scaled is settled when a scaler is made, so another one
// follows when that changes.
type scalers struct {
	store store.Store
	rt    *image.Runtime[config.Config]
	now   func() time.Time

	mu      sync.Mutex
	config  *config.Config
	current *scale.Scaler
	again   chan struct{} // what is scaled has changed
}

func newScalers(s store.Store, rt *image.Runtime[config.Config], now func() time.Time) *scalers {
	return &scalers{store: s, rt: rt, now: now, config: rt.File.Current(), again: make(chan struct{}, 1)}
}

func (s *scalers) apply(c *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := !reflect.DeepEqual(s.config.Scale, c.Scale)
	s.config = c
	if s.current != nil && !other {
		s.current.Apply(c)
		return
	}
	select {
	case s.again <- struct{}{}:
	default:
	}
}

func (s *scalers) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.Wake()
	}
}

// run until the context ends.
func (s *scalers) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		c := s.config
		s.mu.Unlock()
		if c.Scale == nil {
			select {
			case <-ctx.Done():
			case <-s.again:
			}
			continue
		}
		engine, err := engineOf(c.Scale)
		if err != nil {
			s.rt.Log.Error("not scaled", "error", err.Error())
			wait(ctx, 10*time.Second)
			continue
		}
		scaler := scale.New(s.store, engine, s.rt.Log.Logger, s.now)
		s.mu.Lock()
		s.current = scaler
		scaler.Apply(s.config)
		s.mu.Unlock()
		running, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			scaler.Run(running)
		}()
		select {
		case <-ctx.Done():
		case <-s.again:
		}
		stop()
		<-done
		s.mu.Lock()
		s.current = nil
		s.mu.Unlock()
	}
}

// engineOf finds out where the server runs.
func engineOf(c *config.Scale) (scale.Engine, error) {
	if os.Getenv(incluster.EnvHost) != "" {
		sets := map[string]string{}
		for stage, group := range c.Groups {
			sets[stage] = c.Instance + "-" + group // as the provider names them
		}
		return kubernetes.New(sets, incluster.Account)
	}
	return nomad.New(c.Instance, c.Groups)
}
