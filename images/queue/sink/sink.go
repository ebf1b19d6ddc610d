// Package sink writes the outputs of the pipeline into a bucket, as objects named as they are, below a prefix.
//
// An output is marked as exported after its object is stored, so an end in between writes the same bytes again under the
// same name. What fails stays unexported and is tried again, behind the others.
package sink

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Store is what is needed of store.Store.
type Store interface {
	Results(ctx context.Context, q store.ResultQuery) ([]store.Result, error)
	Exported(ctx context.Context, ids []int64) error
	Stats(ctx context.Context) (store.Stats, error)
	Mark(ctx context.Context, key string) (string, error)
	SetMark(ctx context.Context, key, value string) error
}

// Bucket stores an object: all of it, or, on an error, nothing. It reads the content as it goes.
type Bucket interface {
	Put(ctx context.Context, name string, content io.Reader, size int64) error
}

// Options of an Exporter.
type Options struct {
	Store Store
	// Open reads a payload.
	Open func(ctx context.Context, p store.Payload) (io.ReadCloser, error)
	// Bucket opens the bucket of a URL.
	Bucket func(url string) (Bucket, error)
	Log    *slog.Logger
	// Changed is called when the status may have changed; nil is nobody.
	Changed func()
}

// Numbers and times of an Exporter.
const (
	parallel = 8
	// page is how many outputs are listed at once, with the contents that are in the store: some megabytes.
	page = 64
	// every is how often is looked for outputs that nobody told of.
	every = 2 * time.Second
	// pauses after a pass in which something failed.
	pauseMin = 500 * time.Millisecond
	pauseMax = 30 * time.Second
	// hopeless is how many failures without a success show that it is the sink that fails; the pass ends.
	hopeless = 2 * parallel
)

const errorKey = "sink/error"

// An Exporter writes outputs into the bucket of a configuration.
type Exporter struct {
	o     Options
	after func(time.Duration) <-chan time.Time

	mu     sync.Mutex
	config *config.Sink
	bucket Bucket
	wake   chan struct{}
	fault  string // as it was logged and kept
	known  bool
	at     int64 // the output behind which the next round begins
}

// New makes an Exporter. Apply gives it its configuration.
func New(o Options) *Exporter {
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Exporter{o: o, after: time.After, wake: make(chan struct{}, 1)}
}

// Apply puts a configuration into use; without a sink nothing is exported. Outputs that are in the former sink stay there.
func (e *Exporter) Apply(c *config.Config) {
	e.mu.Lock()
	if e.config == nil || c.Sink == nil || *e.config != *c.Sink {
		e.config, e.bucket = c.Sink, nil
	}
	e.mu.Unlock()
	e.Wake()
}

// Wake tells that there are new outputs.
func (e *Exporter) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run exports until the context ends. One server at a time should: several would do no harm, and double work.
func (e *Exporter) Run(ctx context.Context) {
	pause := pauseMin
	e.known, e.at = false, 0
	for {
		away, err := e.pass(ctx)
		if ctx.Err() != nil {
			return
		}
		e.note(ctx, err)
		wait, wake := every, e.wake
		if err == nil {
			pause = pauseMin
		} else {
			wait = pause/2 + rand.N(pause/2+1)
			pause = min(2*pause, pauseMax)
			if away {
				wake = nil // new outputs make a sink no better
			} else {
				select { // and those that it refuses are not to be tried with each new one
				case <-ctx.Done():
					return
				case <-e.after(pauseMin):
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-e.after(wait):
		}
	}
}

// pass goes along all outputs that are not exported, once. Away says that it was given up, as nothing could be exported;
// the next one then begins with the outputs behind those that were tried, and goes on with those before.
func (e *Exporter) pass(ctx context.Context) (away bool, err error) {
	spec, bucket, err := e.open()
	if err != nil || spec == nil {
		return true, err
	}
	failed, begun := 0, e.at
	var first error
	for {
		results, err := e.o.Store.Results(ctx, store.ResultQuery{After: e.at, Limit: page, Unexported: true})
		if err != nil {
			return true, fmt.Errorf("list the outputs that are to be exported: %w", err)
		}
		r := &round{e: e, bucket: bucket, prefix: spec.Prefix}
		e.at, away = r.export(ctx, results)
		if len(r.done) > 0 {
			if err := e.o.Store.Exported(ctx, r.done); err != nil {
				e.at = 0
				return true, fmt.Errorf("note that %d outputs are exported: %w", len(r.done), err)
			}
			e.o.Changed()
		}
		if failed += r.failed; first == nil && r.err != nil {
			first = r.err
			if !away && e.fault == "" {
				e.note(ctx, first) // a pass may be long
			}
		}
		if away {
			break
		}
		if len(results) < page {
			if begun == 0 {
				break
			}
			begun, e.at = 0, 0 // those before where it began
		}
	}
	if !away {
		e.at = 0
	}
	if failed > 0 {
		return away, fmt.Errorf("%d outputs not exported, the first: %w", failed, first)
	}
	return false, nil
}

func (e *Exporter) open() (*config.Sink, Bucket, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.config == nil || e.bucket != nil {
		return e.config, e.bucket, nil
	}
	b, err := e.o.Bucket(e.config.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("sink.url: %w", err)
	}
	e.bucket = b
	return e.config, b, nil
}

// round is one page of outputs on its way.
type round struct {
	e      *Exporter
	bucket Bucket
	prefix string

	mu     sync.Mutex
	done   []int64
	failed int
	err    error
}

// export several at once, and tell up to which one it was tried. Away: many failed, and none did not.
func (r *round) export(ctx context.Context, results []store.Result) (last int64, away bool) {
	slots := make(chan struct{}, parallel)
	var group sync.WaitGroup
	defer group.Wait()
	for _, result := range results {
		slots <- struct{}{}
		r.mu.Lock()
		away = ctx.Err() != nil || len(r.done) == 0 && r.failed >= hopeless
		r.mu.Unlock()
		if away {
			return last, true
		}
		last = result.ID
		group.Go(func() {
			defer func() { <-slots }()
			err := r.put(ctx, result)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err == nil {
				r.done = append(r.done, result.ID)
				return
			}
			r.failed++
			if r.err == nil {
				r.err = fmt.Errorf("output %q: %w", result.Name, err)
			}
		})
	}
	return last, false
}

func (r *round) put(ctx context.Context, result store.Result) error {
	content, err := r.e.o.Open(ctx, result.Payload)
	if err != nil {
		return fmt.Errorf("read its content: %w", err)
	}
	defer content.Close()
	return r.bucket.Put(ctx, r.prefix+result.Name, content, result.Payload.Size)
}

// note keeps the error where the status of all servers is, and logs it when it is another one.
func (e *Exporter) note(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if e.known && text == e.fault {
		return
	}
	switch {
	case err != nil:
		e.o.Log.Warn("outputs not exported", "error", text)
	case e.fault != "":
		e.o.Log.Info("outputs are exported again")
	}
	if keepErr := e.o.Store.SetMark(ctx, errorKey, text); keepErr == nil {
		e.known, e.fault = true, text
		e.o.Changed()
	}
}

// Status of the sink, whichever server exports; nil without one.
func (e *Exporter) Status(ctx context.Context) (*api.SinkStatus, error) {
	e.mu.Lock()
	configured := e.config != nil
	e.mu.Unlock()
	if !configured {
		return nil, nil //nolint:nilnil // there is no sink, and so no status of it
	}
	stats, err := e.o.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	fault, err := e.o.Store.Mark(ctx, errorKey)
	if err != nil {
		return nil, err
	}
	return &api.SinkStatus{Exported: stats.Exported, Pending: stats.Results - stats.Exported, Error: strings.TrimSpace(fault)}, nil
}
