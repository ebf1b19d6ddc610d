package discovery

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// staleAfter is how long the endpoints of a watch that broke count more than what DNS says.
const staleAfter = 30 * time.Second

// A source is what is known of a name.
type source struct {
	g       *group
	host    string
	ctx     context.Context // of all that it does
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu sync.Mutex
	// listing is going on for the first time: whether there are slices is not known yet.
	listing bool
	slices  map[string]slice // by name; nil if they are not known
	broken  time.Time        // since when they are not watched; zero while they are
	stopDNS context.CancelFunc
	asked   bool // DNS has answered, or failed
	found   []netip.Addr
	last    map[uint16][]netip.Addr // what was told last, by port
}

func (g *group) follow(ctx context.Context, host string) *source {
	ctx, cancel := context.WithCancel(ctx)
	s := &source{g: g, host: host, ctx: ctx, cancel: cancel, last: map[uint16][]netip.Addr{}}
	if service, namespace, ok := g.service(host); ok {
		s.listing = true
		s.running.Go(func() { s.watch(ctx, service, namespace) })
	}
	return s
}

// service that a name may be of: SERVICE, SERVICE.NAMESPACE, or SERVICE.NAMESPACE.svc and anything.
func (f *Follower) service(host string) (name, namespace string, ok bool) {
	if f.cluster == nil || host == "localhost" {
		return "", "", false
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch {
	case len(labels) == 1:
		namespace = f.cluster.Namespace
	case len(labels) == 2, labels[2] == "svc":
		namespace = labels[1]
	}
	return labels[0], namespace, labels[0] != "" && namespace != ""
}

func (s *source) stop() {
	s.cancel()
	s.running.Wait()
}

// addresses of the servers that have a port, whether DNS is to be asked for them, and whether they are not known yet; then they
// are those of before.
func (s *source) addresses(port uint16) (found []netip.Addr, dns, pending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := false
	if s.slices != nil {
		found, known = endpoints(s.slices, port)
	}
	stale := !s.broken.IsZero() && time.Since(s.broken) > staleAfter
	switch {
	case s.listing:
		return s.last[port], false, true
	case known && !stale:
	case s.asked && (len(s.found) > 0 || !known):
		found, dns = s.found, true
	case known: // DNS does not know better
		dns = true
	default:
		return s.last[port], true, true
	}
	s.last[port] = found
	return found, dns, false
}
