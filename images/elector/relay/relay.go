// Package relay forwards TCP connections to the application of whoever leads an election.
//
// Each elector listens for clients. One that leads by its own account connects them to the application beside it. Another one
// connects to the leader's elector and names the service; that one accepts only if it leads by its own account right then, and never
// forwards any further. Nothing that a client has sent goes anywhere before that. Where nobody leads, connections wait.
//
// When leadership ends, so do the connections to the one that led: at once if it ran out, or after the application has been told, if
// the seat is given away. They end with a reset, so that nobody takes half an answer for a whole one. (Where an elector is killed, its
// machine ends them as if all had been said.)
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// Elections as an election.Agent knows them.
type Elections interface {
	Status(name string) (election.Status, error)
	Changed() (<-chan struct{}, uint64)
}

// Options of a Relay.
type Options struct {
	Elections Elections
	config.Relay
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// A Relay listens for clients and for other electors.
type Relay struct {
	Options
	meters   *meters
	peers    *net.TCPListener
	services map[string]*service
	bonds    map[string]*bonds // by election

	waiting            chan struct{} // as many as may wait
	accepting, serving sync.WaitGroup
}

// service is one of the settings, at work.
type service struct {
	config.Service
	name     string
	listener *net.TCPListener
	bonds    *bonds
	meters   serviceMeters
}

// keepAlive finds out that the other side is no more, in half a minute.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// atOnce is how many connections of a listener may be in the making; those beyond are left in its backlog.
const atOnce = 1024

// Listen on all ports. Nobody is served before Run.
func Listen(ctx context.Context, o Options) (_ *Relay, err error) {
	r := &Relay{
		Options: o, meters: newMeters(o.Metrics), services: map[string]*service{}, bonds: map[string]*bonds{},
		waiting: make(chan struct{}, o.Waiting),
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.peers, err = listen(ctx, o.Peer); err != nil {
		return nil, fmt.Errorf("relay.peer: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Services)) {
		s := &service{Service: o.Services[name], name: name, meters: r.meters.of(name)}
		if r.bonds[s.Election] == nil {
			r.bonds[s.Election] = &bonds{elections: o.Elections, election: s.Election, open: map[*pair]bond{}}
		}
		s.bonds = r.bonds[s.Election]
		if s.listener, err = listen(ctx, s.Listen); err != nil {
			return nil, fmt.Errorf("relay.services[%q]: %w", name, err)
		}
		r.services[name] = s
	}
	return r, nil
}

func listen(ctx context.Context, address string) (*net.TCPListener, error) {
	l, err := (&net.ListenConfig{KeepAliveConfig: keepAlive}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Peers is where other electors connect.
func (r *Relay) Peers() net.Addr { return r.peers.Addr() }

// Address that clients of a service connect to.
func (r *Relay) Address(service string) net.Addr { return r.services[service].listener.Addr() }

// Close stops listening. What is connected stays so.
func (r *Relay) Close() {
	if r.peers != nil {
		r.peers.Close()
	}
	for _, s := range r.services {
		s.listener.Close()
	}
}

// Run serves until the context ends, and cuts what is still connected then.
func (r *Relay) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watching sync.WaitGroup
	for _, b := range r.bonds {
		watching.Go(func() { b.watch(ctx) })
	}
	defer watching.Wait()
	r.accepting.Go(func() { r.accept(ctx, r.peers, r.fromPeer) })
	for _, s := range r.services {
		r.accepting.Go(func() {
			r.accept(ctx, s.listener, func(ctx context.Context, c *net.TCPConn, made func()) { r.fromClient(ctx, s, c, made) })
		})
	}
	<-ctx.Done()
	r.Close()
	r.accepting.Wait()
	for _, b := range r.bonds {
		b.close()
	}
	r.serving.Wait()
	return nil
}

// Drain takes no more connections and waits for those that there are, until the context ends.
func (r *Relay) Drain(ctx context.Context) {
	r.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.accepting.Wait()
		r.serving.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Cut the connections to the application beside this elector, since it leads an election no more.
func (r *Relay) Cut(election string) {
	if b := r.bonds[election]; b != nil {
		b.cut(func(is bond) bool { return is.own })
	}
}

// accept connections. Each is served with a place among those in the making, which is given back by made.
func (r *Relay) accept(ctx context.Context, l *net.TCPListener, serve func(ctx context.Context, c *net.TCPConn, made func())) {
	places := make(chan struct{}, atOnce)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			r.serving.Go(func() { serve(ctx, c, func() { <-places }) })
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		<-places
		r.Log.Warn("no connection was accepted", "address", l.Addr().String(), "error", err.Error())
		select { // there may be too many open files
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}
