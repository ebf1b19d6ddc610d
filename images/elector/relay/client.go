package relay

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// Where a leader is told of, but does not take a connection, it is asked again after a while, which doubles up to a limit; or at once
// when another one is told of.
const (
	againFirst = 20 * time.Millisecond
	againLast  = 500 * time.Millisecond
)

var errNobody = errors.New("nobody leads")

// fromClient serves a client.
func (r *Relay) fromClient(ctx context.Context, s *service, client *net.TCPConn, made func()) {
	p, told, err := r.connect(ctx, s, client)
	made()
	if err != nil {
		p, err = r.wait(ctx, s, client, told)
	}
	if err != nil {
		reset(client)
		return
	}
	r.serve(s, p)
}

// serve a pair that has been added to the bonds.
func (r *Relay) serve(s *service, p *pair) {
	s.meters.open.Inc()
	defer s.meters.open.Dec()
	defer s.bonds.remove(p)
	p.run()
}

// view is what a relay goes by.
type view struct {
	leader, address string
	self            bool
	term            uint64
}

func viewOf(s election.Status) view { return view{s.Leader, s.Address, s.Self, s.Term} }

// connect to whoever leads now. It gives what it was told, too.
func (r *Relay) connect(ctx context.Context, s *service, client *net.TCPConn) (*pair, view, error) {
	told := viewOf(s.bonds.status())
	switch {
	case told.self:
		p, _, err := r.own(ctx, s, client)
		s.meters.connected(local, err)
		return p, told, err
	case told.address == "":
		return nil, told, errNobody
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a leader that has lost its seat may be so slow, or gone, that it does not say so
		for ctx.Err() == nil {
			changed, _ := r.Elections.Changed()
			if viewOf(s.bonds.status()) != told {
				cancel()
			}
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
	}()
	to, term, err := toPeer(ctx, told.address, s.name)
	if err == nil {
		p := &pair{client, to}
		if s.bonds.addOther(p, term) {
			s.meters.connected(forwarded, nil)
			return p, told, nil
		}
		to.Close()
		err = errOther
	}
	s.meters.connected(forwarded, err)
	return nil, told, err
}

// wait for somebody who leads, and takes the connection, with the patience that there is.
func (r *Relay) wait(ctx context.Context, s *service, client *net.TCPConn, told view) (*pair, error) {
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
	default:
		s.meters.gaveUp(full)
		return nil, errNobody
	}
	s.meters.waiting.Inc()
	defer s.meters.waiting.Dec()
	ctx, cancel := context.WithTimeout(ctx, r.Patience.Std())
	defer cancel()
	pause := againFirst
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		changed, _ := r.Elections.Changed()
		moved := viewOf(s.bonds.status()) != told
		if !moved {
			select {
			case <-ctx.Done():
				s.meters.gaveUp(nobody)
				return nil, ctx.Err()
			case <-changed:
				continue
			case <-timer.C:
			}
		}
		p, now, err := r.connect(ctx, s, client)
		if err == nil {
			return p, nil
		}
		if told = now; moved {
			pause = againFirst
		}
		timer.Reset(pause)
		pause = min(2*pause, againLast)
	}
}
