package server

import (
	"context"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// The past that is kept: an hour in steps of ten seconds, and the last ten seconds for the pace.
const (
	stepTime   = 10 * time.Second
	steps      = 360
	secondsFor = 10
)

// past is what the counters were. It is kept in memory: a new server begins anew.
type past struct {
	mu      sync.Mutex
	stages  map[string]*stagePast
	end     time.Time
	seconds []time.Time // of the samples
}

// stagePast of one stage; the slices end now.
type stagePast struct {
	doneTotals []int64 // by second
	depth      []int64
	done       []float64
	dead       []int64
	stepDone   int64 // total at the last step
}

// sample the counters once a second.
func (s *Server) sample(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			stats, err := s.o.Store.Stats(ctx)
			if err != nil {
				continue // whoever asks for the status is told
			}
			for stage, has := range stats.Stages { // should a wake-up ever be lost, it is late by a second
				if has.Counts[api.Waiting] > 0 {
					s.waiters.wake(stage, wakes)
				}
			}
			s.past.add(now, s.plan.Load().Order(), func(stage string) counters {
				has := stats.Stages[stage]
				return counters{depth: open(has) - has.Counts[api.InFlight], done: has.DoneTotal, dead: has.Counts[api.Dead]}
			})
		}
	}
}

type counters struct{ depth, done, dead int64 }

func (p *past) add(now time.Time, stages []string, of func(stage string) counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stages == nil {
		p.stages, p.end = map[string]*stagePast{}, now
	}
	step := now.Sub(p.end) >= stepTime
	kept := map[string]*stagePast{}
	for _, name := range stages {
		c := of(name)
		one := p.stages[name]
		if one == nil {
			one = &stagePast{stepDone: c.done}
		}
		one.doneTotals = push(one.doneTotals, c.done, secondsFor+1)
		if step {
			one.depth = push(one.depth, c.depth, steps)
			one.done = push(one.done, float64(c.done-one.stepDone)/now.Sub(p.end).Seconds(), steps)
			one.dead = push(one.dead, c.dead, steps)
			one.stepDone = c.done
		}
		kept[name] = one
	}
	p.stages = kept
	p.seconds = push(p.seconds, now, secondsFor+1)
	if step {
		p.end = now
	}
}

// push at the end, and let the first go when there are too many.
func push[T any](s []T, v T, most int) []T {
	s = append(s, v)
	if len(s) > most {
		copy(s, s[1:])
		s = s[:len(s)-1]
	}
	return s
}

// perSecond is how many were done lately.
func (p *past) perSecond(stage string) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.stages[stage]
	if one == nil || len(one.doneTotals) < 2 {
		return 0
	}
	first, last := len(p.seconds)-len(one.doneTotals), len(p.seconds)-1
	took := p.seconds[last].Sub(p.seconds[first]).Seconds()
	if took <= 0 {
		return 0
	}
	return max(0, float64(one.doneTotals[len(one.doneTotals)-1]-one.doneTotals[0])/took)
}

// history of the last hour: GET /v1/history.
func (s *Server) history(r *request) error {
	p := &s.past
	p.mu.Lock()
	out := api.History{StepSeconds: int(stepTime.Seconds()), End: p.end, Stages: []api.StageHistory{}}
	for _, name := range s.plan.Load().Order() {
		one := p.stages[name]
		if one == nil {
			one = &stagePast{}
		}
		out.Stages = append(out.Stages, api.StageHistory{
			Name: name, Depth: append([]int64{}, one.depth...), Done: append([]float64{}, one.done...), Dead: append([]int64{}, one.dead...),
		})
	}
	p.mu.Unlock()
	return r.answer(out)
}
