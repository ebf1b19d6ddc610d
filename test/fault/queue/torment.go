package queue

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

// torment until done says how it ended, and leave everything running.
func (r *rig) torment(ctx context.Context, done <-chan error) error {
	var deck []Event // shuffled, so that none waits for long
	last, since := 0, time.Now()
	for {
		switch progress, failed := r.ledger.state(); {
		case progress != last:
			last, since = progress, time.Now()
		case time.Since(since) > r.plan.stalled():
			return fmt.Errorf("after %v: nothing happens for %s; the last failure of a push: %w; the last error of %s: %s",
				r.events, r.plan.stalled(), failed, r.servers[0].name, r.servers[0].lastError())
		}
		next := time.NewTimer(r.plan.Every/2 + time.Duration(r.random.Int64N(int64(r.plan.Every))))
		select {
		case err := <-done:
			return err
		case <-next.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if len(deck) == 0 {
			deck = slices.Clone(r.plan.Events)
			r.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		if len(deck) > 0 {
			event := deck[0]
			deck = deck[1:]
			if err := r.do(ctx, event); err != nil {
				return fmt.Errorf("after %v: %s: %w", r.events, event, err)
			}
			r.events[event]++
		}
		for _, p := range append(r.workers, r.servers...) { // an engine starts again what has ended
			if p.over() {
				if err := p.start(); err != nil {
					return err
				}
			}
		}
	}
}

func (r *rig) do(ctx context.Context, event Event) error {
	switch event {
	case KillServer:
		s := r.servers[r.random.IntN(len(r.servers))]
		s.kill()
		return r.up(s)
	case KillWorker:
		w := r.workers[r.random.IntN(len(r.workers))]
		w.kill()
		return w.start()
	case KillDatabase:
		r.database.Kill()
		r.database.Start(r.t)
	case FillDisk:
		r.disk.SetFull(true)
		pause(ctx, time.Second)
		r.disk.SetFull(false)
	case CutPower:
		return r.cut()
	}
	return nil
}

// cut while they work; only then are they killed, as what they do after that can reach nobody's disk.
func (r *rig) cut() error {
	r.disk.Cut()
	if r.database != nil {
		r.database.Kill()
		r.disk.Restart(r.t)
		r.database.Start(r.t)
		return nil
	}
	r.servers[0].kill()
	r.disk.Restart(r.t)
	return r.up(r.servers[0])
}

// up starts a server, with another wall clock, and waits until it serves.
func (r *rig) up(s *process) error {
	step := time.Duration(0)
	if r.plan.Step > 0 {
		step = time.Duration(r.random.Int64N(int64(2*r.plan.Step))) - r.plan.Step
	}
	r.must(os.WriteFile(r.built.clock, []byte(step.String()), 0o600))
	address := r.client.addresses[0]
	for i := range r.servers {
		if r.servers[i] == s {
			address = r.client.addresses[i]
		}
	}
	if err := s.start(); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ends := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if c, err := net.Dial("tcp", address); err == nil {
			return c.Close()
		}
		if s.over() {
			if ends++; ends == 5 {
				return fmt.Errorf("%s ends at its start: %s", s.name, s.tail())
			}
			if err := s.start(); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%s does not serve at %s (%s): %s", s.name, address, config.Duration(30*time.Second), s.tail())
}
