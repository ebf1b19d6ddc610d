// Package wire puts a gatherer together on the frame that all images share.
package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/merge"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/page"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/server"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/trace"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/discovery"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/health"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

// Definition is the image.
func Definition() image.Definition[config.Config] {
	return image.Definition[config.Config]{Name: "gatherer", Settings: common, Start: start}
}

// common finds what all images have.
func common(c *config.Config) settings.Settings { return c.Settings }

// start follows the children and serves.
func start(_ context.Context, rt *image.Runtime[config.Config]) error {
	c := rt.File.Current()
	level := strconv.Itoa(c.Node.Level)
	scatterer := scatter.New(c, scatter.NewMeters(rt.Metrics, level), rt.Log.Logger)
	scatterer.KeepHeaders = merge.WantsHeaders(c.Merge)
	tracer := newTracer(rt)
	merger, streamer := merge.New(c.Merge, c.Limits)
	front := server.New(c, server.Options{
		Scatterer: scatterer, Merger: merger, Streamer: streamer, Tracer: tracer,
		Metrics: server.NewMetrics(rt.Metrics, level), Log: rt.Log.Logger,
	})
	rt.Metrics.MustRegister(replicaMetrics{scatterer})
	watcher := page.New(page.Options{
		Node: c.Node, Shards: c.Shards, Instance: rt.Identity.Instance, Version: rt.Identity.Version, Scatterer: scatterer, Server: front,
	})
	front.Tree = watcher
	watcher.Register(rt.Handle)
	rt.Process.Go("remember the last minute", watcher.Run)
	rt.File.OnChange(func(old, changed *config.Config) error {
		if err := fixed(old, changed); err != nil {
			return err
		}
		scatterer.Apply(changed)
		front.Apply(changed)
		return nil
	})

	follower := discovery.New(discovery.Options{Log: rt.Log.Logger})
	for _, child := range scatterer.Children() {
		rt.Process.Go("follow "+child.Name, func(ctx context.Context) error { follow(ctx, follower, child); return nil })
		rt.Process.Go("probe "+child.Name, func(ctx context.Context) error { child.Set.Run(ctx); return nil })
	}
	begun := time.Now()
	checks := map[string]health.Check{"children": func(context.Context) error { return reached(scatterer, rt.File.Current(), begun) }}
	if m := c.Merge.Container; m != nil {
		checks["merge"] = func(ctx context.Context) error { return opens(ctx, m) }
	}
	for name, check := range checks {
		rt.Ready.Add(name, check)
	}
	var listening atomic.Bool
	rt.Ready.Add("listening", func(context.Context) error {
		if !listening.Load() {
			return errors.New("it does not listen for requests yet: it does when the other checks hold for the first time")
		}
		return nil
	})
	if tracer != nil {
		rt.Process.Go("send spans", tracer.Run)
	}

	api := newServer(c, front, rt.Log.Logger)
	rt.Process.Go("serve", func(ctx context.Context) error {
		listener, err := listen(ctx, c.Listen, checks)
		if err != nil || listener == nil {
			return err
		}
		listening.Store(true)
		rt.Log.Info("serving", "address", listener.Addr().String())
		if err := api.Serve(netutil.LimitListener(listener, c.Limits.Connections)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	rt.Process.OnDrain("requests in flight", func(ctx context.Context) error {
		front.Drain()
		select { // clients that have a connection send their next request by another one
		case <-ctx.Done():
		case <-time.After(lastRequests):
		}
		return api.Shutdown(ctx)
	})
	return nil
}

// listen when it is ready for the first time, and not before: where a catalogue lists replicas from their start on (Nomad's does),
// a client that is refused goes to the next one, and one that is answered does not. It gives nothing if the context ends before.
func listen(ctx context.Context, address string, checks map[string]health.Check) (net.Listener, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		well := true
		for _, check := range checks {
			well = well && check(ctx) == nil
		}
		if well {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				return nil, fmt.Errorf("listen: %w", err)
			}
			return listener, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-tick.C:
		}
	}
}

// lastRequests is how long connections are told to go before they are closed.
const lastRequests = time.Second

const (
	headerPatience = 10 * time.Second
	idlePatience   = 2 * time.Minute
)

func newServer(c *config.Config, handler http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerPatience, IdleTimeout: idlePatience, MaxHeaderBytes: c.Limits.HeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), Protocols: new(http.Protocols),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

func follow(ctx context.Context, f *discovery.Follower, child *scatter.Child) {
	if child.EndpointsFile != "" {
		f.File(ctx, child.EndpointsFile, child.Set.Update)
		return
	}
	f.Address(ctx, child.Address(), child.Set.Update)
}

// startPatience is how long a gatherer that has just begun waits for children that it has not reached. After it, it is ready if
// those that it has are enough for an answer: a shard that is gone must not keep the others from being asked.
const startPatience = 20 * time.Second

// reached tells which children were not yet.
func reached(s *scatter.Scatterer, c *config.Config, begun time.Time) error {
	missing, shards, first := 0, 0, ""
	for _, child := range s.Children() {
		if child.Set.Reached() {
			shards += len(child.Child.Shards)
			continue
		}
		if missing++; first == "" {
			first = child.Name
		}
	}
	if missing == 0 {
		return nil
	}
	least := c.Policy.Least(c.Shards)
	if c.Node.Level > 0 {
		least = 1
	}
	if time.Since(begun) > startPatience && shards >= least {
		return nil
	}
	return fmt.Errorf("%d of %d children were not reached yet, %s among them", missing, len(s.Children()), first)
}

// opens tells whether the merge container listens.
func opens(ctx context.Context, m *config.Container) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", m.Address())
	if err != nil {
		return fmt.Errorf("the merge container: %w", err)
	}
	return c.Close()
}

func newTracer(rt *image.Runtime[config.Config]) *trace.Tracer {
	c := rt.File.Current()
	if c.Tracing == nil {
		return nil
	}
	return trace.New(c.Tracing.Endpoint, c.Tracing.Sample, map[string]string{
		"service.name": rt.Identity.Instance, "service.namespace": rt.Identity.Namespace, "service.version": rt.Identity.Version,
		"pattern.node": c.Node.Name,
	}, rt.Log.Logger)
}

// fixed is what needs a restart.
func fixed(old, changed *config.Config) error {
	for _, part := range []struct {
		name     string
		old, new any
	}{
		{"listen", old.Listen, changed.Listen}, {"node", old.Node, changed.Node}, {"shards", old.Shards, changed.Shards},
		{"children", old.Children, changed.Children}, {"merge", old.Merge, changed.Merge}, {"tracing", old.Tracing, changed.Tracing},
		{"limits.connections", old.Limits.Connections, changed.Limits.Connections},
	} {
		if !reflect.DeepEqual(part.old, part.new) {
			return errors.New(part.name + ": cannot change without a restart")
		}
	}
	return nil
}
