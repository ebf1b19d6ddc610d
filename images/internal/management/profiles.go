package management

import (
	"net/http"
	"net/http/pprof"
)

// profiles adds /debug/pprof. A profile costs CPU and tells of the memory's content, hence the loopback; a forwarded port comes from there.
func profiles(mux *http.ServeMux, who string) {
	if who == "off" {
		return
	}
	guard := loopbackOnly
	if who == "anywhere" {
		guard = func(next http.HandlerFunc) http.HandlerFunc { return next }
	}
	mux.HandleFunc("GET /debug/pprof/", guard(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/cmdline", guard(pprof.Cmdline))
	mux.HandleFunc("GET /debug/pprof/profile", guard(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/symbol", guard(pprof.Symbol))
	mux.HandleFunc("GET /debug/pprof/trace", guard(pprof.Trace))
}
