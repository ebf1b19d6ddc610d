package discovery

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

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

	watches  int // under way
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

func (a *api) underWay() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.watches
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
	a.watches++
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.watches--
	}()
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
