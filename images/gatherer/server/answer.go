package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// Time for a client to take an answer: a moment, and more for more.
const (
	writePatience   = 10 * time.Second
	writeLeastBytes = 64 << 10 // a second
)

// answer a request with what was gathered and merged, kept, or made for another one that is the same.
func (t *task) answer(w http.ResponseWriter, r *http.Request) {
	key := ""
	if (t.p.policy.Coalesce || t.p.policy.Cache != nil) && (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(t.body) == 0 {
		key = t.key(r)
	}
	if key != "" && t.p.policy.Cache != nil {
		if kept, age := t.s.cache.get(key); kept != nil {
			t.s.Metrics.hits.Inc()
			w.Header().Set("Age", strconv.Itoa(int(age.Seconds())))
			t.request.Span.End("")
			t.s.write(w, kept)
			return
		}
	}
	var m *made
	if key != "" && t.p.policy.Coalesce {
		m = t.s.flights.do(r.Context(), key, t.gather, func() { t.s.Metrics.coalesced.Inc() })
	} else {
		m = t.gather(r.Context())
	}
	if m == nil || r.Context().Err() != nil {
		t.s.Metrics.count(statusGone)
		if m != nil {
			m.free()
		}
		return // nobody is there to be answered
	}
	if key != "" && t.p.policy.Cache != nil && m.cacheFor > 0 && m.coverage.Complete && m.status == http.StatusOK {
		m = m.own()
		t.s.cache.put(key, m, m.cacheFor)
	}
	t.s.write(w, m)
	m.free()
}

// statusGone is counted where a client has gone (as nginx counts it).
const statusGone = 499

func (m *made) free() {
	if m.release != nil {
		m.release()
		m.release = nil
	}
}

// own gives an answer whose body lasts.
func (m *made) own() *made {
	if m.release == nil {
		return m
	}
	out := *m
	out.body = bytes.Clone(m.body)
	out.release = nil
	m.free()
	return &out
}

// notSent are headers of a merge's answer that are this server's own.
var notSent = []string{"Connection", "Content-Length", "Date", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade"}

func (s *Server) write(w http.ResponseWriter, m *made) {
	header := w.Header()
	for name, values := range m.header {
		if !slices.Contains(notSent, name) {
			header[name] = values
		}
	}
	m.coverage.Write(header)
	if !m.coverage.Complete {
		s.Metrics.partial.Inc()
	}
	header.Set("Content-Length", strconv.Itoa(len(m.body)))
	s.Metrics.count(m.status)
	s.tally.answered(m.status, m.short, m.coverage)
	patience := writePatience + time.Duration(len(m.body))*time.Second/writeLeastBytes
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) // every connection of this server has deadlines
	w.WriteHeader(m.status)
	_, _ = w.Write(m.body) // whoever has gone needs no answer
}

// refuse a request before anything was done for it.
func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	s.write(w, problem(status, text, nil))
}

// problem is an answer that says what is wrong.
func problem(status int, text string, c *contract.Coverage) *made {
	body, err := json.Marshal(struct {
		Error    string             `json:"error"`
		Coverage *contract.Coverage `json:"coverage,omitempty"`
	}{text, c})
	if err != nil { // plain data
		panic(err)
	}
	m := &made{status: status, header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}, body: append(body, '\n')}
	if m.coverage.Complete = c == nil; c != nil {
		m.coverage = *c
	}
	return m
}

var errTooLarge = errors.New("too large")

// readBody within its bound.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	if n := r.ContentLength; n >= 0 {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, errTooLarge
	}
	return body, err
}

func (s *Server) refuseBody(w http.ResponseWriter, err error) {
	w.Header().Set("Connection", "close") // what is left of the body is not worth reading
	if errors.Is(err, errTooLarge) {
		limit := s.plan.Load().limits.RequestBytes
		s.refuse(w, http.StatusRequestEntityTooLarge, "the body is larger than limits.request_bytes ("+strconv.FormatInt(limit, 10)+")")
		return
	}
	s.refuse(w, http.StatusBadRequest, "the body cannot be read: "+err.Error())
}

// without shards that turn out to have no answer.
func without(c contract.Coverage, shards []int, reason string) contract.Coverage {
	out := c
	out.Missing = slices.Clone(c.Missing)
	for _, shard := range shards {
		out.Missing = append(out.Missing, contract.Missing{Shard: strconv.Itoa(shard), Reason: reason})
		out.Answered--
	}
	out.Complete = false
	slices.SortStableFunc(out.Missing, func(a, b contract.Missing) int {
		x, _ := strconv.Atoi(a.Shard)
		y, _ := strconv.Atoi(b.Shard)
		return x - y
	})
	return out
}
