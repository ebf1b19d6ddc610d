// Package discovery follows the addresses of a group of servers.
//
// They are listed in a file, one HOST:PORT a line; what follows a # is a comment. A host that is an IP address is taken as it
// is. A name stands for all of its addresses, and is followed in one of two ways:
//
// On Kubernetes, with a service account that may list and watch EndpointSlices in the namespace, the first labels of the name
// are SERVICE.NAMESPACE (or SERVICE alone, in the own namespace), and the slices of that Service are watched: its ready endpoints
// count, or the serving ones while none is ready. A change is known within a moment. The port is the line's, which is to be that
// of the pods; where all slices say that the pods have other ports than that, the Service translates it, and the name is resolved
// as any other, which gives the Service's own address.
//
// Everywhere else, and while there is no slice of that name, DNS is asked every two seconds.
//
// Where a server has an IPv4 and an IPv6 address it would count twice, so IPv6 addresses count only where there is no IPv4 one.
//
// What was known last stays for a while when it cannot be known any more: a name that DNS fails to resolve keeps its addresses
// for five minutes, one that DNS says does not exist for ten seconds; endpoints of a watch that broke stay until the watch works
// again, or, after half a minute, until DNS knows better. A list that is wrong for a while is less harmful than none: whoever
// uses it has to put up with servers that do not answer anyhow.
package discovery

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
)

// firstPatience is how long the first list waits for names.
const firstPatience = 3 * time.Second

// Options of a Follower; the zero value is right but for tests.
type Options struct {
	// Account is the folder of the service account. Default: incluster.Account.
	Account string
	// Lookup a name. Default: net.DefaultResolver's LookupHost.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Every is about how long after an answer DNS is asked again. Default: 2s.
	Every time.Duration
	// Log. Default: none.
	Log *slog.Logger
}

// A Follower follows groups of servers, for which it shares connections and watches of folders. It is safe for concurrent use.
type Follower struct {
	options Options
	cluster *incluster.Client // nil outside of Kubernetes
	folders hub
}

// New makes a Follower.
func New(o Options) *Follower {
	if o.Account == "" {
		o.Account = incluster.Account
	}
	if o.Lookup == nil {
		o.Lookup = net.DefaultResolver.LookupHost
	}
	if o.Every <= 0 {
		o.Every = resolveEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Follower{options: o}
	if c, err := incluster.New(o.Account); err == nil {
		f.cluster = c
	}
	return f
}

// File follows what a file lists. It calls changed with the addresses (IP:PORT, sorted, each once) whenever they differ from those
// before, and at least once at the start: as soon as all names were looked up, or after three seconds. A file that is missing or
// empty is an empty list. It blocks until ctx ends. Changed is not called by two goroutines at once, and may keep what it is given.
func (f *Follower) File(ctx context.Context, path string, changed func(addresses []string)) {
	group := f.group(path, changed)
	contents := make(chan []byte)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.watchFile(ctx, path, contents)
	}()
	group.run(ctx, contents)
	cancel()
	<-done
}

// Address follows one HOST:PORT as if it were the only line of a file.
func (f *Follower) Address(ctx context.Context, address string, changed func(addresses []string)) {
	contents := make(chan []byte, 1)
	contents <- []byte(address)
	f.group(address, changed).run(ctx, contents)
}

// A group is one list of servers that is followed.
type group struct {
	*Follower
	name     string // of the file, for the log
	changed  func([]string)
	patience time.Duration

	wake    chan struct{} // something is known that was not
	lines   []endpoint
	sources map[string]*source
}

func (f *Follower) group(name string, changed func([]string)) *group {
	return &group{
		Follower: f, name: name, changed: changed, patience: firstPatience,
		wake: make(chan struct{}, 1), sources: map[string]*source{},
	}
}

func (g *group) run(ctx context.Context, contents <-chan []byte) {
	defer func() {
		for _, s := range g.sources {
			s.stop()
		}
	}()
	patience := time.NewTimer(g.patience)
	defer patience.Stop()
	var last []string
	read, told, late := false, false, false
	for {
		select {
		case <-ctx.Done():
			return
		case data := <-contents:
			read = true
			g.lines = parse(data, g.name, g.options.Log)
			g.reconcile(ctx)
		case <-g.wake:
		case <-patience.C:
			late = true
		}
		addresses, pending := g.addresses()
		if !read || !told && pending && !late || told && slices.Equal(addresses, last) {
			continue
		}
		told, last = true, addresses
		g.changed(slices.Clone(addresses))
	}
}

// notify that something has changed, from any goroutine.
func (g *group) notify() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// reconcile lets there be one source for each name.
func (g *group) reconcile(ctx context.Context) {
	wanted := map[string]bool{}
	for _, line := range g.lines {
		if line.address.IsValid() {
			continue
		}
		wanted[line.host] = true
		if g.sources[line.host] == nil {
			g.sources[line.host] = g.follow(ctx, line.host)
		}
	}
	for host, s := range g.sources {
		if !wanted[host] {
			s.stop()
			delete(g.sources, host)
		}
	}
}

// addresses that are known now, and whether some names are not looked up yet.
func (g *group) addresses() (out []string, pending bool) {
	out = []string{}
	ask := map[*source]bool{}
	for _, line := range g.lines {
		if line.address.IsValid() {
			out = append(out, join(line.address, line.port))
			continue
		}
		s := g.sources[line.host]
		found, dns, unknown := s.addresses(line.port)
		ask[s] = ask[s] || dns
		pending = pending || unknown
		for _, address := range found {
			out = append(out, join(address, line.port))
		}
	}
	for s, dns := range ask {
		s.askDNS(dns)
	}
	slices.Sort(out)
	return slices.Compact(out), pending
}

func join(address netip.Addr, port uint16) string {
	return net.JoinHostPort(address.String(), strconv.Itoa(int(port)))
}

// oneFamily leaves IPv6 addresses out where there are others.
func oneFamily(all []netip.Addr) []netip.Addr {
	var four, six []netip.Addr
	for _, address := range all {
		if address = address.Unmap(); address.Is4() {
			four = append(four, address)
		} else {
			six = append(six, address)
		}
	}
	if len(four) > 0 {
		return four
	}
	return six
}
