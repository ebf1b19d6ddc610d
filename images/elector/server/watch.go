package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// same tells whether two answers say the same of who leads.
func same(a, b api.Election) bool {
	return a.Leader == b.Leader && a.Address == b.Address && a.Self == b.Self && a.Term == b.Term
}

func sameSet(a, b api.Set) bool { return slices.EqualFunc(a.Elections, b.Elections, same) }

// watch an election or a set, by long poll (index=N, wait=DURATION), or by server-sent events where the client accepts those. look gives
// it as it is, with its index.
func watch[T any](s *Server, w http.ResponseWriter, r *http.Request, look func() (T, uint64, error), same func(a, b T) bool) {
	was, index, err := look()
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		events(s, w, r, look, same)
		return
	}
	wait, err := patience(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	since, again := uint64(0), false
	if text := r.URL.Query().Get("index"); text != "" {
		again = true
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			s.refuse(w, r, &badError{fmt.Sprintf("index must be the index of an answer before, got %q", text)})
			return
		}
	}
	if again && since == index { // an index of another elector, or of this one before it was restarted, is of no use
		s.until(r.Context(), time.Now().Add(wait), func() bool {
			is, _, _ := look() // it is declared: see above
			return !same(is, was)
		})
	}
	is, _, _ := look() // how long it holds is as of now
	answer(w, http.StatusOK, is)
}

// beat is how often a stream of events says that it is there.
const beat = 15 * time.Second

func events[T any](s *Server, w http.ResponseWriter, r *http.Request, look func() (T, uint64, error), same func(a, b T) bool) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	say := func(v T, index uint64) bool {
		raw, err := json.Marshal(v)
		if err != nil { // plain data
			panic(err)
		}
		_, err = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", index, raw)
		return err == nil && control.Flush() == nil
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	var said *T
	for {
		changed, _ := s.Agent.Changed()
		if v, index, err := look(); err == nil && (said == nil || !same(*said, v)) {
			if said = &v; !say(v, index) {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-tick.C:
			if _, err := io.WriteString(w, ": \n\n"); err != nil || control.Flush() != nil {
				return
			}
		}
	}
}
