// Package server is the elector's API on localhost.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// Options of a Server.
type Options struct {
	Agent *election.Agent
	// Elections by their names, the first of which is the one of "GET /"; sets with their numbers of shards.
	Elections []string
	Sets      map[string]int
	// Auto: the elector stands by itself. Otherwise an application that does not renew for Lease is taken to be dead.
	Auto  bool
	Lease time.Duration
	Log   *slog.Logger
}

// A Server is an http.Handler.
type Server struct {
	Options
	mux *http.ServeMux

	mu    sync.Mutex
	alive map[string]time.Time // until when an application stands
}

// New Server.
func New(o Options) *Server {
	s := &Server{Options: o, mux: http.NewServeMux(), alive: map[string]time.Time{}}
	for _, path := range []string{"/v1/elections/{name}", "/v1/election-sets/{set}/{shard}"} {
		s.mux.HandleFunc("GET "+path, s.get)
		s.mux.HandleFunc("PUT "+path, s.put)
		s.mux.HandleFunc("GET "+path+"/is-leader", s.isLeader)
		s.mux.HandleFunc("GET "+path+"/watch", func(w http.ResponseWriter, r *http.Request) {
			watch(s, w, r, func() (api.Election, uint64, error) { e, err := s.election(name(r)); return e, e.Index, err }, same)
		})
		s.mux.HandleFunc("POST "+path+"/become-leader", s.become)
		s.mux.HandleFunc("POST "+path+"/renew", s.renew)
		s.mux.HandleFunc("POST "+path+"/resign", s.resign)
		s.mux.HandleFunc("POST "+path+"/verify", s.verify)
	}
	s.mux.HandleFunc("GET /v1/election-sets/{set}", s.set)
	s.mux.HandleFunc("GET /v1/election-sets/{set}/watch", func(w http.ResponseWriter, r *http.Request) {
		watch(s, w, r, func() (api.Set, uint64, error) { v, err := s.whole(r.PathValue("set")); return v, v.Index, err }, sameSet)
	})
	s.mux.HandleFunc("POST /v1/leave", s.leave)
	s.mux.HandleFunc("GET /{$}", s.old)
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Run lets go of what applications have not renewed in time.
func (s *Server) Run(ctx context.Context) {
	if s.Auto {
		return
	}
	tick := time.NewTicker(max(s.Lease/20, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			var late []string
			for name, until := range s.alive {
				if now.After(until) {
					late = append(late, name)
					delete(s.alive, name)
				}
			}
			s.mu.Unlock()
			for _, name := range late {
				s.Log.Warn("the application has not renewed in time: the elector stands no more", "election", name)
				if err := s.Agent.Stand(ctx, name, false); err != nil {
					s.Log.Warn("resign", "election", name, "error", err.Error())
				}
			}
		}
	}
}

// name of the election that a request is about.
func name(r *http.Request) string {
	if set := r.PathValue("set"); set != "" {
		return set + "/" + r.PathValue("shard")
	}
	return r.PathValue("name")
}

func (s *Server) election(name string) (api.Election, error) {
	_, index := s.Agent.Changed()
	is, err := s.Agent.Status(name)
	return api.Election{
		Name: name, Leader: is.Leader, Address: is.Address, Self: is.Self, Term: is.Term, ExpiresInMS: is.ExpiresIn.Milliseconds(), Index: index,
	}, err
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	e, err := s.election(name(r))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, e)
}

// lead answers with an election: 200 for the leader, 409 for others.
func (s *Server) lead(w http.ResponseWriter, r *http.Request) {
	e, err := s.election(name(r))
	switch {
	case err != nil:
		s.refuse(w, r, err)
	case e.Self:
		answer(w, http.StatusOK, e)
	default:
		text := "nobody leads"
		if e.Leader != "" {
			text = e.Leader + " leads"
		}
		answer(w, http.StatusConflict, api.Error{Error: text, Election: &e})
	}
}

func (s *Server) isLeader(w http.ResponseWriter, r *http.Request) { s.lead(w, r) }

func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	var in api.Stand
	if !s.read(w, r, &in) {
		return
	}
	if err := s.stand(r.Context(), name(r), in.Stand); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.get(w, r)
}

// stand for an election as long as the application renews.
func (s *Server) stand(ctx context.Context, name string, stand bool) error {
	if _, err := s.Agent.Status(name); err != nil {
		return err
	}
	if s.Auto && stand {
		return nil // it does
	}
	if s.Auto {
		return errAuto
	}
	if err := s.Agent.Stand(ctx, name, stand); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.alive, name); stand {
		s.alive[name] = time.Now().Add(s.Lease)
	}
	return nil
}

var errAuto = errors.New(`the elector stands by itself (campaign = "auto"): resign, or set campaign = "app"`)

func (s *Server) become(w http.ResponseWriter, r *http.Request) {
	wait, err := patience(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if err := s.stand(r.Context(), name(r), true); err != nil {
		s.refuse(w, r, err)
		return
	}
	end := time.Now().Add(wait)
	s.until(r.Context(), end, func() bool {
		is, _ := s.Agent.Status(name(r))
		if s.stand(r.Context(), name(r), true) != nil { // who waits renews
			return true
		}
		return is.Self
	})
	s.lead(w, r)
}

// until something holds, which is looked at after each change, or the time has come.
func (s *Server) until(ctx context.Context, end time.Time, holds func() bool) {
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	renew := time.NewTicker(max(s.Lease/4, time.Millisecond))
	defer renew.Stop()
	for {
		changed, _ := s.Agent.Changed()
		if holds() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-renew.C:
		case <-changed:
		}
	}
}

// mostPatience of a request that waits.
const mostPatience = 5 * time.Minute

// patience that a request asks for by wait=DURATION.
func patience(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > mostPatience {
		return 0, &badError{fmt.Sprintf("wait must be a duration of at most %s such as 30s, got %q", mostPatience, text)}
	}
	return d, nil
}

type badError struct{ text string }

func (e *badError) Error() string { return e.text }

func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	if !s.Auto {
		s.mu.Lock()
		_, stands := s.alive[name(r)]
		if stands {
			s.alive[name(r)] = time.Now().Add(s.Lease)
		}
		s.mu.Unlock()
	}
	s.lead(w, r)
}

func (s *Server) resign(w http.ResponseWriter, r *http.Request) {
	is := name(r)
	err := s.Agent.Resign(r.Context(), is, r.URL.Query().Get("to"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if !s.Auto {
		if err := s.stand(r.Context(), is, false); err != nil {
			s.refuse(w, r, err)
			return
		}
	}
	s.get(w, r)
}

// leave all elections: whoever is to end calls this before.
func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	s.Agent.Leave(r.Context())
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	var in api.Verify
	if !s.read(w, r, &in) {
		return
	}
	term, err := s.Agent.Term(r.Context(), name(r))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.Verified{Valid: in.Token == term, Term: term})
}

func (s *Server) set(w http.ResponseWriter, r *http.Request) {
	out, err := s.whole(r.PathValue("set"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, out)
}

// whole set. Its index is from before anything else of it, so that who waits for the next change with it misses none.
func (s *Server) whole(set string) (api.Set, error) {
	shards, ok := s.Sets[set]
	if !ok {
		return api.Set{}, election.ErrUnknown
	}
	_, index := s.Agent.Changed()
	out := api.Set{Name: set, Own: []int{}, Elections: make([]api.Election, 0, shards), Index: index}
	for shard := range shards {
		e, err := s.election(election.ShardName(set, shard))
		if err != nil {
			return api.Set{}, err
		}
		if e.Self {
			out.Own = append(out.Own, shard)
		}
		out.Elections = append(out.Elections, e)
	}
	return out, nil
}

func (s *Server) old(w http.ResponseWriter, r *http.Request) {
	if len(s.Elections) == 0 {
		s.refuse(w, r, election.ErrUnknown)
		return
	}
	e, err := s.election(s.Elections[0])
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, api.Old{Name: e.Leader})
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		s.refuse(w, r, &badError{"the body is not as it must be: " + err.Error()})
		return false
	}
	return true
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, out := http.StatusServiceUnavailable, api.Error{Error: err.Error()}
	var bad *badError
	switch {
	case errors.As(err, &bad), errors.Is(err, errAuto):
		status = http.StatusBadRequest
	case errors.Is(err, election.ErrUnknown) && r.PathValue("set") != "" && r.PathValue("shard") == "":
		status, out.Error = http.StatusNotFound, fmt.Sprintf("there is no set of elections %q: declare it in the election_sets of the resource", r.PathValue("set"))
	case errors.Is(err, election.ErrUnknown):
		status, out.Error = http.StatusNotFound, fmt.Sprintf("there is no election %q: declare it in the elections of the resource", name(r))
	case errors.Is(err, election.ErrNotLeader), errors.Is(err, election.ErrNobody):
		status = http.StatusConflict
		if to := r.URL.Query().Get("to"); errors.Is(err, election.ErrNobody) {
			if out.Error = fmt.Sprintf("there is no member %q that is ready to lead: this one leads on", to); to == election.Anyone {
				out.Error = "no other member is ready to lead: this one leads on"
			}
		}
		if e, err := s.election(name(r)); err == nil {
			out.Election = &e
		}
	}
	answer(w, status, out)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who has gone needs no answer
}
