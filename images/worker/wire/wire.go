// Package wire puts the worker together on the frame that all images share.
package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/claims"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/metrics"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/process"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/remote"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/run"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/serve"
)

// lately is how long the queue may be away before the worker says that it is not ready. An answer to a long poll is as far
// from the one before.
const lately = 30 * time.Second

// Definition is the image.
func Definition() image.Definition[config.Config] {
	return image.Definition[config.Config]{
		Name:     "worker",
		Settings: func(c *config.Config) settings.Settings { return c.Settings },
		Start:    start,
	}
}

func start(_ context.Context, rt *image.Runtime[config.Config]) error {
	c := rt.File.Current()
	path, err := process.Find(c.Command[0])
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	index, err := replica(os.Getenv(c.IndexEnv), rt.Identity.Host)
	if err != nil {
		return fmt.Errorf("index_env: %s: %w", c.IndexEnv, err)
	}
	reaper, err := process.NewReaper()
	if err != nil {
		return err
	}
	queue := remote.New(c.Queue.EndpointsFile, c.Queue.TokenFile, c.Stage)
	options := claims.Options{Name: rt.Identity.Host, Index: index, Concurrency: c.Concurrency, Log: rt.Log.Logger}
	forward := []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2}
	var receive func(syscall.Signal)
	var server *serve.Server
	if c.Mode == config.ModeHTTP {
		server = &serve.Server{Config: c, Path: path, Reaper: reaper, Queue: queue, Log: rt.Log.Logger}
		if err := server.Open(); err != nil {
			return err
		}
		options.Work, options.Ready, receive = server.Work, server.Ready, server.Signal
		forward = append(forward, syscall.SIGHUP) // servers read their configuration again by it
		rt.Ready.Add("server", func(context.Context) error { return server.State() })
	} else {
		runner := &run.Runner{
			Config: c, Path: path, Reaper: reaper, Queue: queue, Log: rt.Log.Logger, Stderr: os.Stderr,
			Broken: func(err error) {
				rt.Process.Go("start the command", func(context.Context) error { return err })
			},
		}
		if err := runner.Open(); err != nil {
			return err
		}
		options.Work, receive = runner.Work, runner.Signal
	}
	var held *claims.Claims
	options.Events = metrics.New(rt.Metrics, func() (int, int) { return held.Counts() },
		func() bool { reached, last := queue.Up(); return last == nil && !reached.IsZero() })
	held = claims.New(queue, options)

	rt.Ready.Add("queue", func(context.Context) error { return reached(queue.Up()) })
	rt.File.OnChange(unchanged)
	rt.Process.OnDrain("finish items", func(ctx context.Context) error { return held.Drain(ctx, patience(ctx, c.KillAfter.Std())) })
	if server != nil {
		rt.Process.Go("run the server", server.Run)
	}
	rt.Process.Go("work on items", held.Run)
	rt.Process.Go("forward signals", func(ctx context.Context) error { return pass(ctx, forward, receive) })
	rt.Process.OnFlush("close connections", func(context.Context) error { queue.Close(); return nil })
	return nil
}

// unchanged refuses changes of all but the shared settings, which the frame judges.
func unchanged(old, changed *config.Config) error {
	same := *changed
	same.Settings = old.Settings
	if !reflect.DeepEqual(*old, same) {
		return errors.New("what the worker does cannot change without a restart")
	}
	return nil
}

// patience is how long items that run are waited for: until there is just the time to end them and to say so.
func patience(ctx context.Context, killAfter time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	remaining := time.Until(deadline)
	return remaining - min(killAfter+2*time.Second, remaining/2)
}

func reached(at time.Time, last error) error {
	switch {
	case at.IsZero() && last == nil:
		return errors.New("the queue has not answered yet")
	case last != nil && time.Since(at) > lately:
		return last
	}
	return nil
}

// pass forwards signals until ctx ends.
func pass(ctx context.Context, which []os.Signal, receive func(syscall.Signal)) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, which...)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return nil
		case got := <-signals:
			if number, ok := got.(syscall.Signal); ok {
				receive(number)
			}
		}
	}
}

var trailing = regexp.MustCompile(`-([0-9]+)$`)

// replica gives the index: what the variable says, or else the end of the host's name, as a StatefulSet names it, or 0.
func replica(value, host string) (int, error) {
	if value == "" {
		match := trailing.FindStringSubmatch(host)
		if match == nil {
			return 0, nil
		}
		value = match[1]
	}
	index, err := strconv.Atoi(value)
	if err != nil || index < 0 {
		return 0, fmt.Errorf("must be a number from 0 on, got %q", value)
	}
	return index, nil
}
