package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// resolveEvery is about how long after an answer DNS is asked again.
	resolveEvery = 2 * time.Second
	// resolvePatience is how long one question may take, with all that the resolver tries for it.
	resolvePatience = 5 * time.Second
	// keepFailed and keepAbsent are for how long the last addresses stay when DNS fails, and when it says that there is no such
	// name. The latter passes as well: a Service without endpoints has no name for a moment.
	keepFailed = 5 * time.Minute
	keepAbsent = 10 * time.Second
)

// askDNS from now on, or do no longer.
func (s *source) askDNS(ask bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ask && s.stopDNS == nil:
		ctx, stop := context.WithCancel(s.ctx)
		s.stopDNS = stop
		s.running.Go(func() { s.resolve(ctx) })
	case !ask && s.stopDNS != nil:
		s.stopDNS()
		s.stopDNS, s.asked, s.found = nil, false, nil
	}
}

func (s *source) resolve(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	good := time.Now()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		found, err := s.lookup(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good = time.Now()
		}
		if failed := err != nil; failed != failing {
			failing = failed
			if failed {
				s.g.options.Log.Warn("a name of the endpoints file does not resolve", "path", s.g.name, "name", s.host, "error", err.Error())
			} else {
				s.g.options.Log.Info("a name of the endpoints file resolves again", "path", s.g.name, "name", s.host)
			}
		}
		s.mu.Lock()
		if ctx.Err() == nil { // under the lock: else it is over, and was cleared
			if err == nil || time.Since(good) >= keep(err) {
				s.found = found
			}
			s.asked = true
		}
		s.mu.Unlock()
		s.g.notify()
		// Gatherers that were started together do not ask together.
		timer.Reset(time.Duration(float64(s.g.options.Every) * (0.8 + 0.4*rand.Float64()))) //nolint:gosec // chance, not a secret
	}
}

func (s *source) lookup(ctx context.Context) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	hosts, err := s.g.options.Lookup(ctx, absolute(s.host))
	if err != nil {
		return nil, err
	}
	found := make([]netip.Addr, 0, len(hosts))
	for _, host := range hosts {
		if address, err := netip.ParseAddr(host); err == nil {
			found = append(found, address)
		}
	}
	return oneFamily(found), nil
}

// absolute adds a dot to what is a Service's full name, SERVICE.NAMESPACE.svc.DOMAIN: a Pod's resolver would else try it within
// its search domains first, four times as many questions.
func absolute(host string) string {
	labels := strings.Split(host, ".")
	if len(labels) > 3 && labels[2] == "svc" && labels[len(labels)-1] != "" {
		return host + "."
	}
	return host
}

func keep(err error) time.Duration {
	var failure *net.DNSError
	if errors.As(err, &failure) && failure.IsNotFound {
		return keepAbsent
	}
	return keepFailed
}
