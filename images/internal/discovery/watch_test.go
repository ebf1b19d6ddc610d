package discovery

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// api speaks the Kubernetes API's lists and watches of EndpointSlices, over TLS.
type api struct {
	server *httptest.Server
	folder string // of the service account

	mu      sync.Mutex
	changed chan struct{} // closed at every change
	version int
	oldest  int // version that can be watched from
	objects map[string]map[string]any
	events  []event
	token   string
	status  int // of all answers, if not 0
	breaks  int // counts up: watches of before are cut
	ends    int // counts up: watches of before end in order

	requests []url.Values
	tokens   []string
}

type event struct {
	version int
	kind    string
	object  map[string]any
}

func newAPI(t *testing.T) *api {
	a := &api{objects: map[string]map[string]any{}, changed: make(chan struct{}), version: 100, token: "first", folder: t.TempDir()}
	a.server = httptest.NewUnstartedServer(a)
	a.server.EnableHTTP2 = true
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	t.Cleanup(func() { a.do(func() { a.breaks++ }) }) // else Close waits for watches
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	write(t, filepath.Join(a.folder, "ca.crt"), string(certificate))
	write(t, filepath.Join(a.folder, "token"), "first\n")
	write(t, filepath.Join(a.folder, "namespace"), "own")
	host, port, err := net.SplitHostPort(a.server.Listener.Addr().String())
	require.NoError(t, err)
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	return a
}

func (a *api) do(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	close(a.changed)
	a.changed = make(chan struct{})
}

// put a slice, or delete it (nil).
func (a *api) put(name string, object map[string]any) {
	a.do(func() {
		a.version++
		kind := "MODIFIED"
		switch {
		case object == nil:
			kind, object = "DELETED", a.objects[name]
			delete(a.objects, name)
		case a.objects[name] == nil:
			kind = "ADDED"
		}
		object = maps.Clone(object)
		object["metadata"] = map[string]any{"name": name, "resourceVersion": strconv.Itoa(a.version)}
		if kind != "DELETED" {
			a.objects[name] = object
		}
		a.events = append(a.events, event{a.version, kind, object})
	})
}

func (a *api) seen(is func(url.Values) bool) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, r := range a.requests {
		if is(r) {
			n++
		}
	}
	return n
}

func watching(q url.Values) bool { return q.Get("watch") != "" }
func listing(q url.Values) bool  { return q.Get("watch") == "" }

func answerStatus(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "code": code, "message": http.StatusText(code)})
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	a.mu.Lock()
	a.requests = append(a.requests, query)
	a.tokens = append(a.tokens, r.Header.Get("Authorization"))
	status := a.status
	if status == 0 && r.Header.Get("Authorization") != "Bearer "+a.token {
		status = http.StatusUnauthorized
	}
	a.mu.Unlock()
	if status != 0 {
		answerStatus(w, status)
		return
	}
	if r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/search/endpointslices" || query.Get("labelSelector") != "kubernetes.io/service-name=leaf" {
		if query.Get("watch") == "" {
			_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": "1"}, "items": []any{}})
			return
		}
		w.(http.Flusher).Flush()
		a.mu.Lock()
		breaks := a.breaks
		a.mu.Unlock()
		a.until(r.Context(), func() bool { return a.breaks > breaks })
		return
	}
	if query.Get("watch") == "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		items := []any{}
		for _, o := range a.objects {
			items = append(items, o)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(a.version)}, "items": items})
		return
	}
	a.watch(w, r)
}

func (a *api) until(ctx context.Context, is func() bool) {
	for {
		a.mu.Lock()
		changed, now := a.changed, is()
		a.mu.Unlock()
		if now {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (a *api) watch(w http.ResponseWriter, r *http.Request) {
	at, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		answerStatus(w, http.StatusBadRequest)
		return
	}
	encoder := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	a.mu.Lock()
	breaks, ends := a.breaks, a.ends
	a.mu.Unlock()
	for {
		a.mu.Lock()
		changed, broken, ended, gone := a.changed, a.breaks > breaks, a.ends > ends, at < a.oldest
		var news []event
		for _, e := range a.events {
			if e.version > at {
				news = append(news, e)
			}
		}
		a.mu.Unlock()
		if broken {
			panic(http.ErrAbortHandler)
		}
		if gone {
			_ = encoder.Encode(map[string]any{"type": "ERROR", "object": map[string]any{"kind": "Status", "code": 410, "message": "too old resource version"}})
			return
		}
		for _, e := range news {
			at = e.version
			if encoder.Encode(map[string]any{"type": e.kind, "object": e.object}) != nil {
				return
			}
		}
		w.(http.Flusher).Flush()
		if ended {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

// bookmark tells all watches how far they are, of a version in which nothing of theirs has changed.
func (a *api) bookmark() {
	a.do(func() {
		a.version += 50
		a.events = append(a.events, event{a.version, "BOOKMARK", map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(a.version)}}})
	})
}

type podState int

const (
	ready podState = iota
	untold
	terminating // not ready, but serving
	failing
)

func pods(port int, family string, states map[string]podState) map[string]any {
	endpoints := []any{}
	for _, address := range slices.Sorted(maps.Keys(states)) {
		endpoints = append(endpoints, map[string]any{"addresses": []string{address}, "conditions": [...]map[string]any{
			ready: {"ready": true, "serving": true, "terminating": false}, untold: {},
			terminating: {"ready": false, "serving": true, "terminating": true}, failing: {"ready": false, "serving": false},
		}[states[address]]})
	}
	object := map[string]any{"addressType": family, "endpoints": endpoints}
	if port > 0 {
		object["ports"] = []any{map[string]any{"name": "", "port": port, "protocol": "TCP"}}
	}
	return object
}

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
	assert.Empty(t, dns.asked, "DNS is not asked where there are slices, though none is ready")
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
		assert.Empty(t, dns.asked)
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
