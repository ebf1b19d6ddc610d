package discovery

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (a *api) follow(t *testing.T, line string, dns *answers) *told {
	l := &told{}
	f := New(Options{Account: a.folder, Log: testLog(t), Lookup: dns.lookup, Every: 10 * time.Millisecond})
	require.NotNil(t, f.cluster)
	started(t, func(ctx context.Context) { f.Address(ctx, line, l.add) })
	return l
}

const line = "leaf.search.svc.cluster.local:8080"

func TestSlicesAreWatched(t *testing.T) {
	a, dns := newAPI(t), &answers{}
	dns.set(nil, "10.99.0.1")
	a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready, "10.0.0.2": untold, "10.0.0.9": failing}))
	l := a.follow(t, line, dns)
	l.waits(t, "10.0.0.1:8080 10.0.0.2:8080")
	a.put("leaf-b", pods(8080, "IPv4", map[string]podState{"10.0.0.3": ready}))
	l.waits(t, "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080")
	a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": terminating, "10.0.0.2": ready}))
	l.waits(t, "10.0.0.2:8080 10.0.0.3:8080")
	a.put("leaf-b", nil)
	l.waits(t, "10.0.0.2:8080")
	a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": failing, "10.0.0.2": terminating}))
	a.put("leaf-six", pods(8080, "IPv6", map[string]podState{"2001:db8::1": terminating}))
	a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": terminating, "10.0.0.2": terminating}))
	l.waits(t, "10.0.0.1:8080 10.0.0.2:8080")
	a.put("leaf-a", nil)
	l.waits(t, "[2001:db8::1]:8080")
	a.put("leaf-six", pods(0, "IPv6", nil))
	l.waits(t, "")
	assert.Equal(t, 1, a.seen(listing))
	assert.Equal(t, 1, a.seen(watching))
	assert.Zero(t, dns.questions(), "DNS is not asked where there are slices, though none is ready")
}

func TestWatchesGoOn(t *testing.T) {
	for _, test := range []struct {
		name  string
		event func(a *api)
		lists int // in all
	}{
		{"from where they were when they end in order", func(a *api) { a.do(func() { a.ends++ }) }, 1},
		{"from where they were when the connection is cut", func(a *api) { a.do(func() { a.breaks++ }) }, 1},
		{"from a new list when what they know is too old", func(a *api) {
			a.do(func() {
				a.version += 10
				a.oldest = a.version
				a.events = nil
				a.ends++
			})
		}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, dns := newAPI(t), &answers{}
			a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
			l := a.follow(t, line, dns)
			l.waits(t, "10.0.0.1:8080")
			a.put("leaf-b", pods(8080, "IPv4", map[string]podState{"10.0.0.2": ready}))
			l.waits(t, "10.0.0.1:8080 10.0.0.2:8080")
			watches := a.seen(watching)
			test.event(a)
			require.Eventually(t, func() bool { return a.seen(watching) > watches }, patience, often)
			a.put("leaf-c", pods(8080, "IPv4", map[string]podState{"10.0.0.3": ready}))
			l.waits(t, "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080")
			assert.Len(t, l.all(), 3, "nothing was forgotten meanwhile")
			assert.Equal(t, test.lists, a.seen(listing))
			exact := a.seen(func(q url.Values) bool { return listing(q) && !q.Has("resourceVersion") })
			assert.Equal(t, test.lists-1, exact, "the second list is not that of a cache")
		})
	}
	t.Run("and bookmarks say where they are", func(t *testing.T) {
		a, dns := newAPI(t), &answers{}
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
		l := a.follow(t, line, dns)
		l.waits(t, "10.0.0.1:8080")
		require.Eventually(t, func() bool { return a.seen(watching) == 1 }, patience, often)
		a.bookmark()
		a.do(func() { a.ends++ })
		want := strconv.Itoa(a.version)
		require.Eventually(t, func() bool {
			return a.seen(func(q url.Values) bool { return watching(q) && q.Get("resourceVersion") == want }) == 1
		}, patience, often)
	})
	t.Run("with a token that was exchanged", func(t *testing.T) {
		a, dns := newAPI(t), &answers{}
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
		l := a.follow(t, line, dns)
		l.waits(t, "10.0.0.1:8080")
		a.do(func() { a.token = "second" })
		write(t, filepath.Join(a.folder, "token.new"), "second")
		require.NoError(t, os.Rename(filepath.Join(a.folder, "token.new"), filepath.Join(a.folder, "token")))
		a.do(func() { a.ends++ })
		require.Eventually(t, func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return slices.Contains(a.tokens, "Bearer second")
		}, patience, often)
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.2": ready}))
		l.waits(t, "10.0.0.2:8080")
	})
	t.Run("and what is known stays while the API is away", func(t *testing.T) {
		a, dns := newAPI(t), &answers{}
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
		l := a.follow(t, line, dns)
		l.waits(t, "10.0.0.1:8080")
		a.do(func() { a.status, a.breaks = http.StatusServiceUnavailable, a.breaks+1 })
		watches := a.seen(watching)
		require.Eventually(t, func() bool { return a.seen(watching) > watches+1 }, patience, often)
		assert.Len(t, l.all(), 1)
		a.do(func() { a.status = 0 })
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.2": ready}))
		l.waits(t, "10.0.0.2:8080")
		assert.Zero(t, dns.questions())
	})
}

func TestDNSIsAskedWhereSlicesSayNothing(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError} {
		t.Run(fmt.Sprintf("as the API answers %d", status), func(t *testing.T) {
			a, dns := newAPI(t), &answers{}
			a.do(func() { a.status = status })
			dns.set(nil, "10.99.0.1")
			a.follow(t, line, dns).waits(t, "10.99.0.1:8080")
		})
	}
	t.Run("as there is no slice, until there is one", func(t *testing.T) {
		a, dns := newAPI(t), &answers{}
		dns.set(nil, "10.99.0.1")
		l := a.follow(t, line, dns)
		l.waits(t, "10.99.0.1:8080")
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
		l.waits(t, "10.0.0.1:8080")
		require.Eventually(t, func() bool { return quiet(dns.questions) }, patience, often, "DNS is still asked")
		a.put("leaf-a", nil)
		l.waits(t, "10.99.0.1:8080")
		for _, list := range l.all() {
			assert.NotEmpty(t, list, "there was always something to know")
		}
	})
	t.Run("as the Service translates the port", func(t *testing.T) {
		a, dns := newAPI(t), &answers{}
		dns.set(nil, "10.99.0.1")
		a.put("leaf-a", pods(9090, "IPv4", map[string]podState{"10.0.0.1": ready}))
		l := a.follow(t, line, dns)
		l.waits(t, "10.99.0.1:8080")
		a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
		l.waits(t, "10.0.0.1:8080")
	})
	t.Run("as the name is no Service's", func(t *testing.T) {
		a, dns := newAPI(t), &answers{}
		dns.set(nil, "192.0.2.1")
		a.follow(t, "api.search.example.com:8080", dns).waits(t, "192.0.2.1:8080")
		assert.Zero(t, a.seen(func(url.Values) bool { return true }))
	})
}

func TestServiceOfAName(t *testing.T) {
	a := newAPI(t)
	f := New(Options{Account: a.folder})
	for _, test := range []struct{ name, host, want string }{
		{"one label is of the own namespace", "leaf", "leaf in own"},
		{"two labels are the Service and its namespace", "leaf.search", "leaf in search"},
		{"svc may follow", "leaf.search.svc", "leaf in search"},
		{"and the cluster's domain", "leaf.search.svc.cluster.local", "leaf in search"},
		{"and a dot at the end", "leaf.search.svc.cluster.local.", "leaf in search"},
		{"another third label is of no Service", "leaf.search.example", ""},
		{"the own machine is none", "localhost", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if service, namespace, ok := f.service(test.host); ok {
				got = service + " in " + namespace
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestNothingIsLeftOfAWatch(t *testing.T) {
	a, dns := newAPI(t), &answers{}
	a.put("leaf-a", pods(9090, "IPv4", map[string]podState{"10.0.0.1": ready})) // another port, so that DNS is asked as well
	dns.set(nil, "10.99.0.1")
	l := &told{}
	f := New(Options{Account: a.folder, Log: testLog(t), Lookup: dns.lookup, Every: 10 * time.Millisecond})
	stop := started(t, func(ctx context.Context) { f.Address(ctx, line, l.add) })
	l.waits(t, "10.99.0.1:8080")
	require.Eventually(t, func() bool { return a.underWay() == 1 }, patience, often)
	stop()
	require.Eventually(t, func() bool { return a.underWay() == 0 }, patience, often, "the server still has a watch")
	asked := dns.questions()
	a.put("leaf-a", pods(8080, "IPv4", map[string]podState{"10.0.0.1": ready}))
	assert.Equal(t, "10.99.0.1:8080", l.last())
	assert.Equal(t, asked, dns.questions())
	stacks := make([]byte, 1<<20)
	assert.NotContains(t, string(stacks[:runtime.Stack(stacks, true)]), "discovery.(*source)")
}
