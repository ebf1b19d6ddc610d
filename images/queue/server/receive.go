package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Bounds of a receive.
const (
	maxReceive = 100
	// A worker that is to drain is told so this late, so that it does not ask all the time.
	drainWait = time.Second
	// wakes of one who was given something.
	wakes = 2
)

// receive items, and wait for the first: POST /v1/stages/{stage}/receive.
func (s *Server) receive(r *request) error {
	var in api.ReceiveRequest
	if err := s.decode(r, &in); err != nil {
		return err
	}
	s.letGo(r) // long before it ends
	wait, err := length("wait", in.Wait, api.MaxWait)
	if err != nil {
		return err
	}
	if _, ok := s.plan.Load().Stages[r.stage]; !ok {
		return &problem{http.StatusNotFound, "not_found", fmt.Sprintf("there is no stage %q", r.stage)}
	}
	switch {
	case in.Max < 1 || in.Max > maxReceive:
		return invalid(fmt.Sprintf("max: must be 1 to %d, got %d", maxReceive, in.Max))
	case in.Worker == "" || len(in.Worker) > api.MaxIDBytes || strings.ContainsFunc(in.Worker, unicode.IsControl):
		return invalid(fmt.Sprintf("worker: must be 1 to %d bytes without control characters, got %q", api.MaxIDBytes, cut(in.Worker, api.MaxIDBytes)))
	case in.Index < 0 || in.Index > maxIndex:
		return invalid(fmt.Sprintf("index: must be 0 to %d, got %d", maxIndex, in.Index))
	}
	s.crew.heard(r.stage, in.Worker)
	out, err := s.poll(r, &in, wait)
	if err != nil {
		return err
	}
	return r.answer(out)
}

// maxIndex fits all stores.
const maxIndex = 1<<31 - 1

// poll until there is something, or nothing for that long.
func (s *Server) poll(r *request, in *api.ReceiveRequest, wait time.Duration) (*api.ReceiveAnswer, error) {
	nothing := &api.ReceiveAnswer{Leases: []api.Lease{}}
	var end <-chan time.Time
	woken := false // a turn is kept, which is to be used or handed on
	for {
		read, drains, err := s.drains(r.Context(), r.stage, in.Index)
		if err != nil || drains {
			if woken {
				s.waiters.wake(r.stage, 1)
			}
			if drains {
				pause(r.Context(), min(wait, drainWait), s.drain)
			}
			return &api.ReceiveAnswer{Leases: nothing.Leases, Drain: true}, err
		}
		turn := s.waiters.join(r.stage) // before looking, so that what comes in between wakes it
		items, err := s.take(r, in)
		if err == nil && len(items) > 0 {
			s.waiters.leave(r.stage, turn)
			s.waiters.wake(r.stage, wakes)
			if drains, err = s.tooLate(r, read, in.Index, items); err != nil || drains {
				return &api.ReceiveAnswer{Leases: nothing.Leases, Drain: true}, err
			}
			return s.hand(items), nil
		}
		if err != nil || wait == 0 {
			s.waiters.leave(r.stage, turn)
			if woken && err != nil {
				s.waiters.wake(r.stage, 1)
			}
			return nothing, err
		}
		if end == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			end = timer.C
		}
		ended, err := s.stand(r, in.Index, turn, end)
		if ended || err != nil {
			s.waiters.leave(r.stage, turn)
			return nothing, err
		}
		woken = isClosed(turn)
		if !woken { // a bound has come
			s.waiters.leave(r.stage, turn)
		}
	}
}

// stand in the line until it is this one's turn, or this worker is to drain. Whether the time has ended is returned.
func (s *Server) stand(r *request, index int, turn <-chan struct{}, end <-chan time.Time) (ended bool, err error) {
	var look <-chan time.Time
	if s.scaled(r.stage) {
		ticker := time.NewTicker(drainWait)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-turn:
			return false, nil
		case <-look:
			if _, drains, err := s.drains(r.Context(), r.stage, index); drains || err != nil {
				return false, err
			}
		case <-end:
			return true, nil
		case <-s.drain:
			return true, nil
		case <-r.Context().Done():
			return true, r.Context().Err()
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func pause(ctx context.Context, d time.Duration, drain <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-drain:
	case <-timer.C:
	}
}

// take what there is. A worker that has gone away takes nothing: its lease would only have to end.
func (s *Server) take(r *request, in *api.ReceiveRequest) ([]store.Item, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	visibility := s.stage(r.stage).Visibility.Std()
	return s.o.Store.Receive(r.Context(), store.Receive{Stage: r.stage, Worker: in.Worker, Index: in.Index, Max: in.Max, Until: s.o.Now().Add(visibility)})
}

// tooLate gives items back that took so long to receive that whoever scales may have counted on none being given: the
// worker is about to be taken away.
func (s *Server) tooLate(r *request, read time.Time, index int, items []store.Item) (bool, error) {
	if read.IsZero() || time.Since(read) < takeTime {
		return false, nil
	}
	_, drains, err := s.drains(r.Context(), r.stage, index)
	if err == nil && !drains {
		return false, nil
	}
	back := make([]store.GiveBack, len(items))
	for i := range items {
		back[i] = store.GiveBack{Lease: items[i].Lease, Release: true}
	}
	if _, failed := s.o.Store.GiveBack(context.WithoutCancel(r.Context()), back); failed != nil {
		return true, failed // the leases end by themselves
	}
	return true, err
}

// hand the items over.
func (s *Server) hand(items []store.Item) *api.ReceiveAnswer {
	now := s.o.Now()
	out := &api.ReceiveAnswer{Leases: make([]api.Lease, len(items))}
	m := s.meters.of(items[0].Stage)
	for i := range items {
		item := &items[i]
		out.Leases[i] = api.Lease{
			Lease: leaseToken(item), Name: item.Name, Attempt: item.Attempt, VisibleForMillis: max(0, item.Due.Sub(now).Milliseconds()),
			Data: item.Payload.Data, Payload: item.Payload.Ref, Size: item.Payload.Size,
		}
		m.received.Inc()
		if item.Attempt == 1 {
			m.wait.Observe(now.Sub(item.Created).Seconds())
		}
		s.flight.begin(item.ID, now)
	}
	return out
}
