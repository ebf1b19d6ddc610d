// Package management serves an image's management API on a port of its own: health, metrics, identity, configuration, log, profiles and lifecycle.
//
// It listens on all interfaces, because probes and scrapers come from outside the Pod. What changes something is answered to the loopback only, and so are profiles unless the configuration says otherwise.
package management

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/configfile"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/health"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/identity"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/lifecycle"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/logging"
)

// The API has few and quick clients; these bounds keep a strange one from costing memory.
const (
	maxConnections = 128
	maxHeaderBytes = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 70 * time.Second // a profile of a minute fits
	idleTimeout    = 60 * time.Second
)

// Sources is what the API tells of.
type Sources struct {
	Identity  identity.Identity
	Process   *lifecycle.Process
	Log       *logging.Log
	Live      *health.Checks
	Ready     *health.Checks
	Startup   *health.Checks
	Metrics   *prometheus.Registry
	Config    func() any               // the configuration in use
	Reloads   func() configfile.Status // what became of its changes
	Profiling string                   // loopback, anywhere or off
}

// A Server is the running API.
type Server struct {
	http     *http.Server
	listener net.Listener
	own      *http.ServeMux
}

// Listen binds the address and serves until Close.
func Listen(address string, sources Sources) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("management API: listen on %s: %w (set management.address to a port that no other container of this group uses)", address, err)
	}
	if err := registerMetrics(sources); err != nil {
		listener.Close()
		return nil, fmt.Errorf("management API: %w", err)
	}
	own := http.NewServeMux()
	s := &Server{listener: listener, own: own, http: &http.Server{
		Handler:           first(own, Handler(sources)),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(sources.Log.Handler(), slog.LevelWarn),
	}}
	go func() {
		if err := s.http.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			sources.Log.Error("management API ended", "error", err.Error())
		}
	}()
	return s, nil
}

// Handle adds what is the image's own, by a pattern of http.ServeMux. It goes before what all images have, so that "GET /{$}" is
// a page in place of the list of paths. It may be called while the server runs.
func (s *Server) Handle(pattern string, handler http.Handler) { s.own.Handle(pattern, handler) }

// first asks own for what it has a pattern for, and rest for all else.
func first(own *http.ServeMux, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := own.Handler(r); pattern != "" {
			own.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// Address is where the server listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close ends the server; requests in flight get a moment.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// Handler routes the API.
func Handler(sources Sources) http.Handler {
	a := api{sources}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.index)
	mux.HandleFunc("GET /health/live", a.live)
	mux.HandleFunc("GET /health/ready", a.ready)
	mux.HandleFunc("GET /health/startup", a.startup)
	mux.Handle("GET /metrics", metricsHandler(sources))
	mux.HandleFunc("GET /info", a.info)
	mux.HandleFunc("GET /config", a.config)
	mux.HandleFunc("GET /logs", a.logs)
	mux.HandleFunc("GET /lifecycle", a.lifecycle)
	mux.HandleFunc("POST /lifecycle/drain", loopbackOnly(a.drain))
	profiles(mux, sources.Profiling)
	return mux
}

type api struct{ Sources }

// Paths lists the API for a person who looks at its root.
var Paths = []string{"/health/live", "/health/ready", "/health/startup", "/metrics", "/info", "/config", "/logs", "/lifecycle", "/debug/pprof/"}

func (a api) index(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"container": a.Identity.Container, "paths": Paths})
}

func (a api) info(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		identity.Identity
		UptimeSeconds float64 `json:"uptime_seconds"`
	}{a.Identity, time.Since(a.Identity.Started).Seconds()})
}

func (a api) config(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"config": configfile.Redact(a.Config()), "file": a.Reloads()})
}

func (a api) lifecycle(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, a.Process.Status())
}

func (a api) drain(w http.ResponseWriter, _ *http.Request) {
	a.Process.Terminate("request on the management API")
	answer(w, http.StatusAccepted, a.Process.Status())
}

// loopbackOnly refuses whoever is not in the same network namespace. It goes by the connection's address alone; no header can say otherwise.
func loopbackOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			answer(w, http.StatusForbidden, map[string]string{"error": fmt.Sprintf("%s %s is answered to the loopback only, not to %s", r.Method, r.URL.Path, host)})
			return
		}
		if r.Header.Get("Origin") != "" { // a web page in a browser on the same machine is not a manager
			answer(w, http.StatusForbidden, map[string]string{"error": "requests from web pages are refused"})
			return
		}
		next(w, r)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // the client has gone; nothing is left to tell it
}
