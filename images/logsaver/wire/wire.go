// Package wire puts the log saver together on the frame that all images share.
package wire

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/metrics"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/saver"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
)

// Definition is the image.
func Definition() image.Definition[config.Config] {
	return image.Definition[config.Config]{Name: "logsaver", Settings: common, Start: start}
}

// common finds what all images have.
func common(c *config.Config) settings.Settings {
	return settings.Settings{
		Identity:   settings.Identity{Pattern: c.Pattern, Instance: c.Instance, Namespace: c.Namespace, Container: c.Container},
		Management: settings.Management{Address: c.Management.Address, Profiling: c.Management.Profiling},
		Log:        settings.Log{Level: c.Log.Level},
		Lifecycle:  settings.Lifecycle{Grace: settings.Duration(c.Shutdown.Grace)},
	}
}

// A part is a saver and its sink.
type part struct {
	config *config.Config
	saver  *saver.Saver
	sink   *sink.Sink
}

// A program runs one part at a time; a new configuration begins a new one, which goes on where the old one was.
type program struct {
	rt      *image.Runtime[config.Config]
	metrics *metrics.Metrics
	memory  int64 // that the container has for Go, in bytes
	current atomic.Pointer[part]
	next    chan *config.Config
	drain   chan struct{}
	drained chan struct{}
}

func start(ctx context.Context, rt *image.Runtime[config.Config]) error {
	p := &program{
		memory: debug.SetMemoryLimit(-1),
		rt:     rt, metrics: metrics.New(rt.Metrics), next: make(chan *config.Config, 1),
		drain: make(chan struct{}), drained: make(chan struct{}),
	}
	if err := p.open(ctx, rt.File.Current()); err != nil {
		return err
	}
	rt.Ready.Add("sink", func(context.Context) error { return p.current.Load().saver.Refused() })
	rt.Ready.Add("checkpoint", func(context.Context) error { return p.current.Load().saver.Checkpoint() })
	rt.Live.Add("files", func(context.Context) error { return p.current.Load().saver.Alive() })
	rt.File.OnChange(p.reload)
	rt.Process.OnDrain("read files to their end and deliver", p.finish)
	rt.Process.Go("save logs", p.run)
	return nil
}

// open makes the saver of a configuration.
func (p *program) open(ctx context.Context, c *config.Config) error {
	limitMemory(c, p.memory)
	made, err := sink.New(ctx, c)
	if err != nil {
		return err
	}
	// Waits for a predecessor that just ends, not for another saver that stays.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := saver.New(ctx, c, made, sink.Permanent, p.metrics, p.rt.Log.Logger)
	if err != nil {
		_ = made.Close()
		return err
	}
	p.current.Store(&part{config: c, saver: s, sink: made})
	p.metrics.Ask(s)
	return nil
}

// run lets one saver after the other run, until the last one has drained or ctx ends.
func (p *program) run(ctx context.Context) error {
	defer close(p.drained)
	for {
		now := p.current.Load()
		running, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- now.saver.Run(running) }()
		var c *config.Config
		var err error
		select {
		case err = <-ended:
		case <-p.drain:
			now.saver.Drain()
			err = <-ended
		case c = <-p.next:
			now.saver.Stop()
			select {
			case err = <-ended:
			case <-time.After(2 * time.Second): // a sink that is away; what was read is read again
				cancel()
				err = <-ended
			}
		}
		cancel()
		_ = now.sink.Close()
		if err != nil || c == nil {
			return err
		}
		if err := p.open(ctx, c); err != nil {
			return fmt.Errorf("take the new configuration into use: %w", err)
		}
	}
}

// reload takes a new configuration into use, or says why it cannot.
func (p *program) reload(old, changed *config.Config) error {
	if old.StateDir != changed.StateDir {
		return errors.New("state_dir: cannot change without a restart")
	}
	if old.Source != changed.Source {
		return errors.New("source: cannot change without a new state_dir")
	}
	probe, err := sink.New(context.Background(), changed)
	if err != nil {
		return err
	}
	_ = probe.Close()
	select {
	case <-p.next: // one that was not taken up yet
	default:
	}
	p.next <- changed
	return nil
}

// finish is the drain hook.
func (p *program) finish(ctx context.Context) error {
	close(p.drain)
	if deadline, ok := ctx.Deadline(); ok { // a little before the end, so that there is time to say what is left
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-100*time.Millisecond))
		defer cancel()
	}
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
		batches, lines, _, _ := p.current.Load().saver.Spool()
		var behind int64
		for _, file := range p.current.Load().saver.Files(time.Now()) {
			behind += file.LagBytes
		}
		return fmt.Errorf("not all is delivered: %d batches (%d lines) are in the spool, %d bytes in the files: %w",
			batches, lines, behind, ctx.Err())
	}
}
