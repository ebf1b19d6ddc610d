package replicas

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/upstream"
)

const (
	// probePatience is how long a probe may take.
	probePatience = 2 * time.Second
	// maxProbeBytes of an answer are read, so that the connection can be used again.
	maxProbeBytes = 64 << 10
)

// Run probes the replicas that are new or whose breaker is open, until ctx ends. Then it lets all connections go; requests that
// are under way end well.
func (s *Set) Run(ctx context.Context) {
	var probes sync.WaitGroup
	defer s.close()
	defer probes.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-timer.C:
		}
		now := s.now()
		wait := time.Hour
		for _, r := range *s.all.Load() {
			mine, due, next := r.breaker.probe(now)
			switch {
			case mine:
				probes.Go(func() { r.probe(ctx) })
			case due:
				wait = min(wait, next-now)
			}
		}
		timer.Reset(wait)
	}
}

// wake Run, as there may be something to probe.
func (s *Set) wake() {
	select {
	case s.woken <- struct{}{}:
	default: // it will look anyhow
	}
}

func (s *Set) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, r := range *s.all.Load() {
		r.leave()
	}
}

// probe a replica once.
func (r *Replica) probe(ctx context.Context) {
	o := r.set.options.Load()
	err := r.ask(ctx, o.ProbePath)
	if ctx.Err() != nil {
		return
	}
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		r.set.reached.Store(true)
	}
	if r.breaker.probed(r.set.now(), o.Breaker, why) {
		if why != "" {
			r.opened(o, why)
		} else {
			o.Log.Info("a replica answers probes again", "child", o.Name, "replica", r.Address)
		}
	}
	r.set.wake()
}

func (r *Replica) ask(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	if path == "" {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	var call upstream.Call
	stop := context.AfterFunc(ctx, call.Cancel)
	defer stop()
	response, err := r.Pool().Do(&call, &upstream.Request{
		Method: "GET", Deadline: time.Now().Add(probePatience),
		Head: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: pattern-gatherer\r\n", path, r.Address),
	})
	if err != nil {
		return err
	}
	defer response.Close()
	if response.Status/100 > 3 {
		return fmt.Errorf("GET %s: status %d", path, response.Status)
	}
	buffer := upstream.NewBuffer()
	defer buffer.Free()
	_ = response.ReadAll(maxProbeBytes, buffer)
	return nil
}
