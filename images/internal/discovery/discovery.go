// Package discovery follows where the replicas of a service are reached.
//
// An endpoints file has one HOST:PORT a line, and is replaced when they change. A host that is an address stands for itself. One
// that is a name stands for the replicas behind it: on Kubernetes, where the Pod's service account may list EndpointSlices, those
// of the Service SERVICE.NAMESPACE(.svc...) that are ready (or, if none is, those that still serve), within moments of a change;
// elsewhere the addresses that DNS gives, asked again every other second. While DNS does not answer, what it said last holds.
package discovery

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
)

const (
	// settle is how long a folder must be left alone before its file is read.
	settle = 20 * time.Millisecond
	// lookAgain is for file systems that do not tell of changes.
	lookAgain = 5 * time.Second
)

// Options of a Follower; the zero value is right but for tests.
type Options struct {
	// Account is the folder of the service account. Default: incluster.Account.
	Account string
	// Lookup a name. Default: net.DefaultResolver's LookupHost.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Every so often DNS is asked. Default: 2s.
	Every time.Duration
	Log   *slog.Logger
}

// A Follower follows services.
type Follower struct {
	options Options
	cluster *incluster.Client // nil outside of Kubernetes
}

// New makes a Follower.
func New(o Options) *Follower {
	if o.Account == "" {
		o.Account = incluster.Account
	}
	if o.Lookup == nil {
		o.Lookup = net.DefaultResolver.LookupHost
	}
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	f := &Follower{options: o}
	if c, err := incluster.New(o.Account); err == nil {
		f.cluster = c
	}
	return f
}

// File follows what an endpoints file lists, until the context ends. Changed gets the sorted addresses whenever they differ, and
// once at the start; a file that is missing or empty is none.
func (f *Follower) File(ctx context.Context, path string, changed func(addresses []string)) {
	var names source
	names.follow(ctx, f, changed)
	watcher, err := fsnotify.NewWatcher()
	var events chan fsnotify.Event
	if err == nil {
		defer watcher.Close()
		if watcher.Add(filepath.Dir(path)) == nil {
			events = watcher.Events
		}
	}
	settled, again := time.NewTimer(0), time.NewTicker(lookAgain)
	defer settled.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			names.wait()
			return
		case <-events: // whichever file it is: Kubernetes swaps a link beside it
			settled.Reset(settle)
		case <-again.C:
			settled.Reset(0)
		case <-settled.C:
			content, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				f.options.Log.Warn("endpoints are not read", "path", path, "error", err.Error())
				continue
			}
			names.set(strings.Fields(string(content)))
		}
	}
}

// Address follows one HOST:PORT in the same way.
func (f *Follower) Address(ctx context.Context, address string, changed func(addresses []string)) {
	var names source
	names.follow(ctx, f, changed)
	names.set([]string{address})
	<-ctx.Done()
	names.wait()
}

// source is the lines of a file, and what became of each.
type source struct {
	ctx     context.Context
	f       *Follower
	changed func([]string)

	mu      sync.Mutex
	fixed   []string
	named   map[string]*name
	told    []string
	ever    bool
	running sync.WaitGroup
}

type name struct {
	stop      context.CancelFunc
	known     bool
	addresses []string
}

func (s *source) follow(ctx context.Context, f *Follower, changed func([]string)) {
	s.ctx, s.f, s.changed, s.named = ctx, f, changed, map[string]*name{}
}

func (s *source) wait() { s.running.Wait() }

// set the lines.
func (s *source) set(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fixed = nil
	wanted := map[string]bool{}
	for _, line := range lines {
		host, _, err := net.SplitHostPort(line)
		switch {
		case err != nil:
			s.f.options.Log.Warn("an endpoint is not HOST:PORT", "line", line)
		case net.ParseIP(host) != nil:
			s.fixed = append(s.fixed, line)
		default:
			wanted[line] = true
		}
	}
	for line, n := range s.named {
		if !wanted[line] {
			n.stop()
			delete(s.named, line)
		}
	}
	for line := range wanted {
		if s.named[line] == nil {
			ctx, stop := context.WithCancel(s.ctx)
			n := &name{stop: stop}
			s.named[line] = n
			s.running.Go(func() { s.resolve(ctx, line, n) })
		}
	}
	s.tell()
}

// tell what has changed. The caller holds the lock.
func (s *source) tell() {
	all := slices.Clone(s.fixed)
	for _, n := range s.named {
		if !n.known && !s.ever {
			return // it is worth waiting for
		}
		all = append(all, n.addresses...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if s.ever && slices.Equal(all, s.told) {
		return
	}
	s.ever, s.told = true, all
	s.changed(slices.Clone(all))
}

// found the addresses of a name.
func (s *source) found(ctx context.Context, n *name, hosts []string, port string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	n.known, n.addresses = true, nil
	for _, host := range hosts {
		n.addresses = append(n.addresses, net.JoinHostPort(host, port))
	}
	s.tell()
}

// resolve a name until the context ends.
func (s *source) resolve(ctx context.Context, line string, n *name) {
	host, port, _ := net.SplitHostPort(line) // checked before
	if s.f.cluster != nil {
		if s.f.slices(ctx, host, func(hosts []string) { s.found(ctx, n, hosts, port) }) {
			return
		}
	}
	tick := time.NewTicker(s.f.options.Every)
	defer tick.Stop()
	well := true
	for {
		asking, cancel := context.WithTimeout(ctx, 2*s.f.options.Every)
		hosts, err := s.f.options.Lookup(asking, host)
		cancel()
		switch {
		case err == nil:
			s.found(ctx, n, hosts, port)
		case ctx.Err() == nil:
			if well {
				s.f.options.Log.Warn("a name is not found", "host", host, "error", err.Error())
			}
			s.mu.Lock()
			n.known = true
			s.tell()
			s.mu.Unlock()
		}
		well = err == nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
