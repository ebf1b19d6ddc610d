// Package saver reads the files and cuts them into batches: what is in a file stays there until a batch of it is due,
// so memory does not grow with the number of files.
//
// One goroutine, the reader, knows all files. Batches leave through package deliver and come back as acknowledgements,
// which package checkpoint keeps.
package saver

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/checkpoint"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/deliver"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/discover"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/spool"
)

// Events are told of what happens, for metrics. They must not block.
type Events interface {
	deliver.Events
	// Read tells of a range that was cut for the first time.
	Read(input string, lines, bytes, split int)
	// Replayed tells of a range that was cut again after a restart.
	Replayed(input string, lines int)
	// Truncated tells of a file that was found truncated.
	Truncated(input string)
	// Lost tells of bytes that may be missing, because a file was truncated or removed before they were saved.
	Lost(input, reason string, bytes int64)
	// Unreadable tells of a file that could not be read.
	Unreadable()
}

// A Saver follows files and delivers what is in them.
type Saver struct {
	config   *config.Config
	inputs   map[string]*input
	own      []string // directories that are ours, never followed
	maxBytes int64
	maxAge   time.Duration
	// orphanTime is how long a truncated file waits for its copy.
	orphanTime time.Duration

	registry *registry
	store    *checkpoint.Store
	spool    *spool.Spool
	deliver  *deliver.Deliverer
	events   Events
	log      *slog.Logger

	watcher  *discover.Watcher
	watching bool // the kernel tells of all directories
	rescan   bool
	draining bool
	flushing bool
	turn     int // the entry that a round begins with
	pool     *pool
	freed    chan struct{} // memory has come back
	drain    chan struct{}
	stop     chan struct{}
	ctx      context.Context
	alive    atomic.Int64 // when the reader last went round, in Unix nanoseconds
	ended    atomic.Bool
	broken   atomic.Pointer[error]
	warned   map[string]time.Time
}

// New takes up the state of a predecessor. The configuration must be valid.
func New(ctx context.Context, c *config.Config, sink deliver.Sink, permanent func(error) bool, events Events, log *slog.Logger) (*Saver, error) {
	s := &Saver{
		config: c, inputs: map[string]*input{}, maxBytes: int64(c.Batch.MaxBytes), maxAge: c.Batch.MaxAge.D(),
		orphanTime: defaultOrphanTime, own: own(c), events: events, log: log,
		pool: newPool(int(c.Batch.MaxBytes)), freed: make(chan struct{}, 1), drain: make(chan struct{}), stop: make(chan struct{}), warned: map[string]time.Time{},
	}
	for _, in := range c.Inputs {
		made, err := newInput(in)
		if err != nil {
			return nil, err
		}
		s.inputs[in.Name] = made
	}
	store, state, err := checkpoint.Open(ctx, c.StateDir, source(c.Source))
	if err != nil {
		return nil, err
	}
	s.store = store
	if s.spool, err = spool.Open(c.Spool.Dir, int64(c.Spool.MaxBytes)); err != nil {
		_ = store.Close()
		return nil, err
	}
	s.restore(state)
	if s.watcher, err = discover.NewWatcher(); err != nil {
		log.Warn("files are polled only", "error", err.Error())
	}
	policies := map[string]deliver.Policy{
		config.OnFullBlock: deliver.Block, config.OnFullDropOldest: deliver.DropOldest, config.OnFullDropNewest: deliver.DropNewest,
	}
	s.deliver = deliver.New(deliver.Options{
		Sink: sink, Permanent: permanent, Spool: s.spool, OnFull: policies[c.Spool.OnFull], After: c.Spool.After.D(),
		Timeout: c.Sink.Timeout.D(), RetryMin: c.Retry.Min.D(), RetryMax: c.Retry.Max.D(),
		Sync: store.Sync, Ack: s.registry.Ack, Events: events, Log: log,
	}, depth)
	s.alive.Store(time.Now().UnixNano())
	return s, nil
}

// own are the directories that the saver writes to: to follow them would never end.
func own(c *config.Config) []string {
	dirs := []string{filepath.Clean(c.StateDir), filepath.Clean(c.Spool.Dir)}
	if b := c.Sink.Bucket; b != nil {
		if parsed, err := url.Parse(b.URL); err == nil && parsed.Scheme == "file" {
			dirs = append(dirs, filepath.Clean(parsed.Path))
		}
	}
	return dirs
}

// source replaces ${NAME} by the environment's value; the host's name is known without the environment.
func source(text string) string {
	resolved := os.Expand(text, func(name string) string {
		value := os.Getenv(name)
		if value == "" && name == "HOSTNAME" {
			value, _ = os.Hostname()
		}
		return value
	})
	if strings.Trim(resolved, "/.") == "" {
		return "unknown"
	}
	return resolved
}

// restore takes up the files of the checkpoint, and what the spool holds of them.
func (s *Saver) restore(state checkpoint.State) {
	files := state.Files
	s.registry = newRegistry(state, s.store.Touch)
	for _, file := range files {
		e := s.registry.restore(file, s.inputs[file.Input])
		for _, stored := range s.spool.Entries() {
			if stored.Identity == e.Identity {
				e.ack(stored.End)
			}
		}
		e.replay = slices.Clone(e.Pending)
	}
}

// Run reads and delivers until Drain has brought all to the sink, or ctx ends. What is not delivered then is on disk,
// in the files or in the spool, and the next Run goes on with it.
func (s *Saver) Run(ctx context.Context) error {
	s.ctx = ctx
	storing, stop := context.WithCancel(context.WithoutCancel(ctx))
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		s.store.Run(storing, s.registry.snapshot, s.checkpointed)
	}()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		s.deliver.Run(ctx)
	}()
	s.read(ctx)
	s.ended.Store(true)
	s.deliver.Finish()
	<-delivered
	// The last acknowledgements. Without them the last ranges would be written again, to the same names.
	_, version := s.registry.snapshot()
	last, cancel := context.WithTimeout(storing, time.Second)
	err := s.store.Sync(last, version)
	cancel()
	stop()
	<-stored
	return s.close(err)
}

func (s *Saver) close(err error) error {
	for _, e := range s.registry.entries {
		if e.file != nil {
			_ = e.file.Close()
		}
	}
	if s.watcher != nil {
		_ = s.watcher.Close()
	}
	if closed := s.store.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("end of the saver: %w", err)
	}
	return nil
}

// Drain reads all files to their present end, and lets Run return when that is delivered. Call it once.
func (s *Saver) Drain() { close(s.drain) }

// Stop reads nothing more, and lets Run return when what was read is delivered. Call it once.
func (s *Saver) Stop() { close(s.stop) }

func (s *Saver) checkpointed(err error) {
	if err == nil {
		s.broken.Store(nil)
		s.log.Info("checkpoint can be written again")
		return
	}
	if s.broken.Swap(&err) == nil {
		s.log.Error("checkpoint cannot be written, delivery has stopped", "error", err.Error())
	}
}

// submit hands a batch over. The queue is as deep as there is memory, so it never blocks.
func (s *Saver) submit(item deliver.Item, m *memory) {
	item.Release = func() {
		s.pool.put(m)
		select {
		case s.freed <- struct{}{}:
		default:
		}
	}
	_ = s.deliver.Submit(s.ctx, item)
}

// unreadable counts each time, and logs each file once a minute.
func (s *Saver) unreadable(path string, err error) {
	s.events.Unreadable()
	if now := time.Now(); now.Sub(s.warned[path]) > time.Minute {
		if len(s.warned) > 1000 {
			clear(s.warned)
		}
		s.warned[path] = now
		s.log.Warn("file cannot be read", "path", path, "error", err.Error())
	}
}
