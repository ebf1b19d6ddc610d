// Package wire puts the queue server together on the frame that all images share.
package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"

	"golang.org/x/net/netutil"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/clock"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/metrics"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/page"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/payload"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/server"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/source"
)

// Definition is the image.
func Definition() image.Definition[config.Config] {
	return image.Definition[config.Config]{Name: "queue", Settings: common, Start: start}
}

// common finds what all images have.
func common(c *config.Config) settings.Settings { return c.Settings }

// start opens the store and serves.
func start(ctx context.Context, rt *image.Runtime[config.Config]) error {
	c := rt.File.Current()
	limitMemory()
	queueTime := clock.New()
	now := queueTime.Now
	s, err := openStore(ctx, rt, queueTime)
	if err != nil {
		return err
	}
	blobs, err := bucket.Open(ctx, c.Payloads.URL)
	if err != nil {
		return errors.Join(fmt.Errorf("payloads: %w", err), s.Close())
	}
	buckets := &buckets{all: map[string]bucket.Bucket{}}
	keeper := payload.New(payload.Options{
		Bucket: blobs, Prefix: c.Payloads.Prefix, Now: now,
		Inline: func() int { return rt.File.Current().Payloads.InlineBytes },
		Source: func(ctx context.Context, name string) (io.ReadCloser, int64, error) {
			from := rt.File.Current().Input.Bucket
			if from == nil {
				return nil, 0, bucket.ErrNotExist
			}
			b, err := buckets.open(ctx, from.URL)
			if err != nil {
				return nil, 0, err
			}
			return b.Get(ctx, name)
		},
	})
	reader := source.New(source.Options{
		Store: s, Log: rt.Log.Logger, Keep: keeper.Keep,
		Bucket: func(url string) (source.Bucket, error) { return buckets.open(rt.Process.Context(), url) },
	})
	exporter := sink.New(sink.Options{
		Store: s, Log: rt.Log.Logger, Open: keeper.Open,
		Bucket: func(url string) (sink.Bucket, error) { return buckets.open(rt.Process.Context(), url) },
	})
	reader.Apply(c)
	exporter.Apply(c)
	scalers := newScalers(s, rt, now)
	api, err := server.New(c, server.Options{
		Store: s, Payloads: keeper, Page: page.Handler(), Log: rt.Log.Logger, Now: now,
		Metrics: metrics.New(rt.Metrics, s, now),
		Source:  reader.Status, Sink: exporter.Status,
		Changed: func(stage string) {
			if stage == "" {
				exporter.Wake()
			} else {
				scalers.wake()
			}
		},
	})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	rt.File.OnChange(func(old, changed *config.Config) error {
		if err := fixed(old, changed); err != nil {
			return err
		}
		api.Apply(changed)
		reader.Apply(changed)
		exporter.Apply(changed)
		scalers.apply(changed)
		return nil
	})

	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), s.Close())
	}
	front := server.HTTP(api)
	rt.Ready.Add("store", func(ctx context.Context) error {
		_, err := s.Stats(ctx)
		return err
	})
	rt.Log.Info("serving", "address", listener.Addr().String())
	rt.Process.Go("serve", func(ctx context.Context) error {
		err := front.Serve(netutil.LimitListener(listener, c.Limits.Connections))
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	rt.Process.Go("save the queue's time", func(ctx context.Context) error {
		queueTime.Run(ctx, s, func(err error) { rt.Log.Warn("the queue's time is not saved", "error", err.Error()) })
		return nil
	})
	rt.Process.Go("watch the queue", func(ctx context.Context) error { api.Run(ctx); return nil })

	me := identity()
	for role, run := range map[string]func(context.Context){
		"source":  reader.Run,
		"sink":    exporter.Run,
		"scale":   scalers.run,
		"collect": func(ctx context.Context) { keeper.Run(ctx, s, rt.Log.Logger) },
		"forget":  func(ctx context.Context) { forget(ctx, s, rt, now) },
	} {
		rt.Process.Go(role, func(ctx context.Context) error { inRole(ctx, s, role, me, run); return nil })
	}
	rt.Process.OnDrain("requests in flight", func(ctx context.Context) error {
		api.Drain() // long polls go at once
		return front.Shutdown(ctx)
	})
	rt.Process.OnFlush("store", func(context.Context) error { return errors.Join(s.Close(), blobs.Close(), buckets.close()) })
	return nil
}

// fixed is what needs a restart.
func fixed(old, changed *config.Config) error {
	switch {
	case old.Listen != changed.Listen:
		return errors.New("listen: cannot change without a restart")
	case !reflect.DeepEqual(old.Store, changed.Store):
		return errors.New("store: cannot change without a restart")
	case old.Payloads.URL != changed.Payloads.URL || old.Payloads.Prefix != changed.Payloads.Prefix:
		return errors.New("payloads: cannot change without a restart")
	case old.Tokens != changed.Tokens:
		return errors.New("tokens: their files cannot change without a restart; what is in them can")
	case old.Limits.Connections != changed.Limits.Connections:
		return errors.New("limits.connections: cannot change without a restart")
	}
	return nil
}

// identity of this server among those of one store.
func identity() string {
	host, _ := os.Hostname() // the rest is unique by itself
	var random [6]byte
	_, _ = rand.Read(random[:])
	return host + "-" + hex.EncodeToString(random[:])
}
