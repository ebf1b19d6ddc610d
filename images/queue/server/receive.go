package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Bounds of a receive.
const (
	maxReceive = 100
	// A worker that is to drain is told so this late, so that it does not ask all the time.
	drainWait = time.Second
)

// receive items, and wait for the first: POST /v1/stages/{stage}/receive.
func (s *Server) receive(r *request) error {
	var in api.ReceiveRequest
	if err := s.decode(r, &in); err != nil {
		return err
	}
	wait, err := length("wait", in.Wait, api.MaxWait)
	if err != nil {
		return err
	}
	if _, ok := s.config.Load().Stages[r.stage]; !ok {
		return &problem{http.StatusNotFound, "not_found", fmt.Sprintf("there is no stage %q", r.stage)}
	}
	switch {
	case in.Max < 1 || in.Max > maxReceive:
		return invalid(fmt.Sprintf("max: must be 1 to %d, got %d", maxReceive, in.Max))
	case in.Worker == "" || len(in.Worker) > api.MaxIDBytes:
		return invalid(fmt.Sprintf("worker: must be 1 to %d bytes, got %d", api.MaxIDBytes, len(in.Worker)))
	case in.Index < 0:
		return invalid(fmt.Sprintf("index: must not be negative, got %d", in.Index))
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	for {
		s.crew.heard(r.stage, in.Worker)
		bounded, err := s.drains(r.Context(), r.stage, in.Index)
		if err != nil {
			return err
		}
		if bounded {
			pause(ctx, drainWait, s.drain)
			return r.answer(api.ReceiveAnswer{Leases: []api.Lease{}, Drain: true})
		}
		turn := s.waiters.join(r.stage) // before looking, so that what comes in between wakes it
		items, err := s.take(r, in)
		if err != nil || len(items) > 0 {
			s.waiters.leave(r.stage, turn)
			if len(items) > 0 {
				s.waiters.wake(r.stage)
			}
			if err != nil {
				return err
			}
			return s.hand(r, items)
		}
		select {
		case <-turn:
			continue
		case <-time.After(drainWait): // a bound may have come
			s.waiters.leave(r.stage, turn)
			continue
		case <-ctx.Done():
		case <-s.drain:
		}
		s.waiters.leave(r.stage, turn)
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		return r.answer(api.ReceiveAnswer{Leases: []api.Lease{}})
	}
}

func pause(ctx context.Context, d time.Duration, drain <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-drain:
	case <-time.After(d):
	}
}

// take what there is. A worker that has gone away takes nothing: its lease would only have to end.
func (s *Server) take(r *request, in api.ReceiveRequest) ([]store.Item, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	visibility := s.stage(r.stage).Visibility.Std()
	return s.o.Store.Receive(r.Context(), store.Receive{Stage: r.stage, Worker: in.Worker, Index: in.Index, Max: in.Max, Until: s.o.Now().Add(visibility)})
}

// hand the items over.
func (s *Server) hand(r *request, items []store.Item) error {
	now := s.o.Now()
	out := api.ReceiveAnswer{Leases: make([]api.Lease, len(items))}
	m := s.o.Metrics
	for i := range items {
		item := &items[i]
		out.Leases[i] = api.Lease{
			Lease: leaseToken(item), Name: item.Name, Attempt: item.Attempt, VisibleForMillis: max(0, item.Due.Sub(now).Milliseconds()),
			Data: item.Payload.Data, Payload: item.Payload.Ref, Size: item.Payload.Size,
		}
		m.Received.WithLabelValues(item.Stage).Inc()
		if item.Attempt == 1 {
			m.Wait.WithLabelValues(item.Stage).Observe(now.Sub(item.Created).Seconds())
		}
		s.flight.begin(item.ID, now)
	}
	return r.answer(out)
}
