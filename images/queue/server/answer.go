package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// buffers of requests and answers. Large ones are left to the collector.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keepBuffer = 64 << 10

func release(b *bytes.Buffer) {
	if b.Cap() <= keepBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// answer with JSON.
func (r *request) answer(v any) error { return answer(r.w, http.StatusOK, v) }

func answer(w http.ResponseWriter, status int, v any) error {
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if err := json.NewEncoder(b).Encode(v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who asked is gone; what was done is done
	return nil
}

// fail answers with an error, and logs what is the server's own.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is there to be told
	}
	p := problemOf(err)
	if p.status >= 500 {
		s.o.Log.Warn("request failed", "method", r.Method, "path", r.URL.Path, "status", p.status, "error", err.Error())
		if p.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
	}
	_ = answer(w, p.status, p.api()) // plain data
}

// storeProblem is what a failure of the store means to who asked.
func storeProblem(err error) *problem {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &problem{http.StatusNotFound, "not_found", "it is not there"}
	case errors.Is(err, store.ErrLeaseLost):
		return &problem{http.StatusConflict, "lease_lost", "the lease is lost: the item was received again, ended or purged since, and what this worker made of it does not count"}
	case errors.Is(err, store.ErrNameTaken):
		return &problem{http.StatusConflict, "name_taken", "another item or output of that name is there: outputs need names of their own"}
	case errors.Is(err, store.ErrNoSpace):
		return &problem{http.StatusInsufficientStorage, "no_space", "the queue's storage is full and nothing was changed: make it larger, or fetch and purge what is done"}
	case errors.As(err, &tooLarge):
		return &problem{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body is above the limit of %d bytes", tooLarge.Limit)}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &problem{http.StatusServiceUnavailable, "unavailable", "the queue's store does not answer for now: the request can be sent again"}
	}
	return &problem{http.StatusInternalServerError, "internal", "the request failed: " + err.Error()}
}

const (
	// bodyTime is how long a body may take; one of a payload, each piece of it.
	bodyTime = 30 * time.Second
	// largeBytes are what large bodies may take of memory at once; those that are no larger than a kept buffer do not count.
	largeBytes = 32 << 20
)

// decode a JSON body, strictly and within the limit.
func (s *Server) decode(r *request, into any) error {
	limit := s.plan.Load().Limits.BodyBytes
	if r.ContentLength > limit {
		return &problem{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body has %d bytes, at most %d are allowed: send fewer items at once, and large contents by PUT or POST /v1/payloads", r.ContentLength, limit)}
	}
	if size := r.ContentLength; size < 0 || size > keepBuffer {
		if size < 0 {
			size = limit
		}
		size = min(size, largeBytes)
		if err := s.large.Acquire(r.Context(), size); err != nil {
			return err
		}
		r.held += size                                                                // until the request ends: what is made of it is as large
		_ = http.NewResponseController(r.w).SetReadDeadline(time.Now().Add(bodyTime)) // not every connection has one
	}
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength) + bytes.MinRead) // at most the limit: what grows by doubling takes twice as much
	}
	if _, err := b.ReadFrom(http.MaxBytesReader(r.w, r.Body, limit)); err != nil {
		return bodyProblem(err)
	}
	_ = http.NewResponseController(r.w).SetReadDeadline(time.Time{})
	if b.Len() == 0 {
		return invalid("the request needs a body of JSON")
	}
	if !utf8.Valid(b.Bytes()) { // it would be replaced silently, also in names
		return invalid("the body is not UTF-8")
	}
	d := json.NewDecoder(b)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid("the body is not what is expected: " + jsonFault(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("the body goes on after its JSON value")
	}
	return nil
}

// bodyProblem of a body that cannot be read.
func bodyProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return invalid("the body broke off: " + err.Error())
}

func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("%v at byte %d", syntax, syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("%s must be a %s, got a %s", kind.Field, kind.Type, kind.Value)
	}
	return err.Error()
}

// batch says whether there are too many entries, or none.
func (s *Server) batch(n int) error {
	switch most := s.plan.Load().Limits.Batch; {
	case n == 0:
		return invalid("there are no entries in the request")
	case n > most:
		return &problem{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the request has %d entries, at most %d are allowed", n, most)}
	}
	return nil
}

// length of a query that is a length of time, within bounds.
func length(what, text string, most time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, invalid(fmt.Sprintf("%s: %q is not a duration such as \"30s\"", what, text))
	}
	if d > most {
		return 0, invalid(fmt.Sprintf("%s: %s is above the limit of %s", what, d, most))
	}
	return d, nil
}

// page of a listing: after which ID, and how many.
func page(q url.Values) (after int64, limit int, err error) {
	limit = 100
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 1000 {
			return 0, 0, invalid(fmt.Sprintf("limit: %q must be 1 to 1000", text))
		}
	}
	if text := q.Get("after"); text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			return 0, 0, invalid(fmt.Sprintf("after: %q is not what an earlier answer gave", text))
		}
	}
	return after, limit, nil
}

func asError(err error) *api.Error {
	if err == nil {
		return nil
	}
	return problemOf(err).api()
}
