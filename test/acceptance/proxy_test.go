//go:build acceptance

package acceptance

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// A proxy stands before an engine's API.
type proxy struct {
	URL string

	mu       sync.Mutex
	requests []string // "GET /path?query", without watches
	watches  []string
	before   func(n int, r *http.Request) bool // false: the request does not reach the engine
	after    func(n int, r *http.Request) bool // false: the answer does not reach the provider
}

// newProxy forwards to a base URL by a transport that signs in, if that is not what the provider does itself.
func newProxy(t *testing.T, base string, transport http.RoundTripper) *proxy {
	t.Helper()
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorLog:      quiet,
		ModifyResponse: func(r *http.Response) error {
			n, _ := r.Request.Context().Value(numberKey{}).(int)
			p.mu.Lock()
			after := p.after
			p.mu.Unlock()
			if n > 0 && after != nil && !after(n, r.Request) {
				return fmt.Errorf("withheld")
			}
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := p.count(r)
		p.mu.Lock()
		before := p.before
		p.mu.Unlock()
		if n > 0 && before != nil && !before(n, r) {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r.WithContext(withNumber(r.Context(), n)))
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.URL = server.URL
	return p
}

// count gives a request's number, from 1; a watch (Kubernetes) or blocking query (Nomad) has 0.
func (p *proxy) count(r *http.Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	if q.Has("watch") || q.Has("index") || r.URL.Path == "/v1/event/stream" {
		p.watches = append(p.watches, r.Method+" "+r.URL.RequestURI())
		return 0
	}
	p.requests = append(p.requests, r.Method+" "+r.URL.RequestURI())
	return len(p.requests)
}

// take gives the requests since the last call, and forgets them.
func (p *proxy) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.requests
	p.requests, p.watches = nil, nil
	return taken
}

// act sets what happens before and after each request, by its number since now; nil is nothing.
func (p *proxy) act(before, after func(n int, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.watches = nil, nil
	p.before, p.after = before, after
}

type numberKey struct{}

func withNumber(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, numberKey{}, n)
}

// quiet is the log of servers whose clients break off on purpose.
var quiet = log.New(io.Discard, "", 0)

// newGuard stands before a proxy, speaks TLS (without which client-go sends no credentials), and answers 401 to whoever is
// not let in.
func newGuard(t *testing.T, base string, lets func(*http.Request) bool) tlsServer {
	t.Helper()
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1, ErrorLog: quiet}
	var mu sync.Mutex
	return newTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		in := lets(r)
		mu.Unlock()
		if !in {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`))
			return
		}
		forward.ServeHTTP(w, r)
	}))
}
