package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

// A request on its way: the stage and the name of its path.
type request struct {
	*http.Request
	w           http.ResponseWriter
	stage, name string
	// held of large bodies' memory.
	held int64
}

// letGo what is held of large bodies' memory.
func (s *Server) letGo(r *request) {
	s.large.Release(r.held)
	r.held = 0
}

// handler answers, or gives an error that is answered.
type handler func(s *Server, r *request) error

// A route is what a path and a method lead to.
type route struct {
	method string
	may    who
	handle handler
}

// ServeHTTP routes by itself rather than by http.ServeMux, which would lead a name with ".." silently elsewhere.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if err, is := p.(error); is && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.o.Log.Error("panic", "path", hr.URL.Path, "panic", p, "stack", string(debug.Stack()))
			s.fail(w, hr, &problem{http.StatusInternalServerError, "internal", "the server has met a fault of its own; it is in its log"})
		}
	}()
	r := &request{Request: hr, w: w}
	defer s.letGo(r)
	if hr.ContentLength != 0 {
		// Also of a body that nobody reads: it is read away before the next request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // not every connection has one
	}
	routes := find(r)
	if routes == nil {
		if strings.HasPrefix(hr.URL.Path, "/v1/") {
			s.fail(w, hr, &problem{http.StatusNotFound, "not_found", fmt.Sprintf("there is no %q here", hr.URL.Path) + ": see /v1/openapi.yaml"})
			return
		}
		s.o.Page.ServeHTTP(w, hr)
		return
	}
	var allow []string
	for _, route := range routes {
		if route.method != hr.Method {
			allow = append(allow, route.method)
			continue
		}
		if err := s.admit(r, route.may); err != nil {
			s.fail(w, hr, err)
			return
		}
		if err := route.handle(s, r); err != nil {
			s.fail(w, hr, err)
		}
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	s.fail(w, hr, &problem{http.StatusMethodNotAllowed, "invalid", hr.Method + " is not for this path, but " + strings.Join(allow, " and ")})
}

// admit who has the right token, as often as is allowed.
func (s *Server) admit(r *request, may who) error {
	if may == nobody {
		return nil
	}
	has := s.tokens.of(r.Request)
	switch {
	case has == nobody:
		r.w.Header().Set("WWW-Authenticate", `Bearer realm="work queue"`)
		return &problem{http.StatusUnauthorized, "unauthorized", "a bearer token is needed, and this one is not known here: the instance's secret client-token has that of clients"}
	case has&may == 0:
		return &problem{http.StatusForbidden, "forbidden", "this token is not for this: clients and workers have tokens of their own"}
	case has&worker == 0 && !s.limiter.Load().Allow():
		r.w.Header().Set("Retry-After", "1")
		return &problem{http.StatusTooManyRequests, "too_many_requests", "more requests than limits.requests_per_second: try again in a second, with more items in a request"}
	}
	return nil
}

var (
	enqueueRoute  = []route{{http.MethodPost, client, (*Server).enqueue}}
	pushRoute     = []route{{http.MethodPut, client, (*Server).push}}
	outputsRoute  = []route{{http.MethodGet, client, (*Server).outputs}}
	outputRoute   = []route{{http.MethodGet, client, (*Server).output}}
	statusRoute   = []route{{http.MethodGet, client, (*Server).tell}}
	historyRoute  = []route{{http.MethodGet, client, (*Server).history}}
	documentRoute = []route{{http.MethodGet, nobody, (*Server).document}}
	uploadRoute   = []route{{http.MethodPost, client | worker, (*Server).upload}}
	payloadRoute  = []route{{http.MethodGet, worker, (*Server).download}}
	extendRoute   = []route{{http.MethodPost, worker, (*Server).extend}}
	ackRoute      = []route{{http.MethodPost, worker, (*Server).ack}}
	nackRoute     = []route{{http.MethodPost, worker, (*Server).nack}}
	receiveRoute  = []route{{http.MethodPost, worker, (*Server).receive}}
	itemsRoute    = []route{{http.MethodGet, client, (*Server).items}}
	itemRoute     = []route{{http.MethodGet, client, (*Server).item}}
	contentRoute  = []route{{http.MethodGet, client, (*Server).content}}
	redriveRoute  = []route{{http.MethodPost, client, (*Server).redrive}}
	purgeRoute    = []route{{http.MethodPost, client, (*Server).purge}}
)

// named are the routes whose names are the rest of the path.
var named = []struct {
	prefix string
	to     []route
}{{"items/", pushRoute}, {"outputs/", outputRoute}, {"payloads/", payloadRoute}}

// find the routes of a path, and take the stage and the name out of it. Names are whatever follows, slashes included.
func find(r *request) []route {
	path := r.URL.Path
	switch path {
	case "/v1/items":
		return enqueueRoute
	case "/v1/outputs":
		return outputsRoute
	case "/v1/status":
		return statusRoute
	case "/v1/history":
		return historyRoute
	case "/v1/openapi.yaml":
		return documentRoute
	case "/v1/payloads":
		return uploadRoute
	case "/v1/leases/extend":
		return extendRoute
	case "/v1/leases/ack":
		return ackRoute
	case "/v1/leases/nack":
		return nackRoute
	}
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return nil
	}
	for i := range named {
		if name, ok := strings.CutPrefix(rest, named[i].prefix); ok {
			r.name = name
			return named[i].to
		}
	}
	if rest, ok = strings.CutPrefix(rest, "stages/"); !ok {
		return nil
	}
	stage, rest, _ := strings.Cut(rest, "/")
	what, name, deeper := strings.Cut(rest, "/")
	if !config.IsStageName(stage) {
		return nil
	}
	r.stage, r.name = stage, name
	switch {
	case !deeper && what == "receive":
		return receiveRoute
	case !deeper && what == "items":
		return itemsRoute
	case !deeper && what == "redrive":
		return redriveRoute
	case !deeper && what == "purge":
		return purgeRoute
	case deeper && what == "items":
		return itemRoute
	case deeper && what == "content":
		return contentRoute
	}
	return nil
}

// Listener limits of the HTTP server.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// An answer must be taken within that; a long one, each piece of it.
	writeTimeout = 2 * time.Minute
	maxHeader    = 16 << 10
)

// HTTP is the server's frame: HTTP/1.1 and HTTP/2 without TLS, and nobody who is slow to ask. Bodies have deadlines of their
// own, since long polls and large payloads take their time.
func HTTP(h http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, WriteTimeout: writeTimeout, MaxHeaderBytes: maxHeader, Protocols: &protocols}
}

// problem is an error with its status and code.
type problem struct {
	status  int
	code    string
	message string
}

func (p *problem) Error() string { return p.message }

func (p *problem) api() *api.Error { return &api.Error{Code: p.code, Message: p.message} }

func invalid(message string) error { return &problem{http.StatusBadRequest, "invalid", message} }

// problemOf is how an error is answered.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return storeProblem(err)
}
