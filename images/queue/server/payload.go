package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// uploaded finds the payload of a reference that somebody was given. References to anything else are not for them.
func (s *Server) uploaded(r *request, ref string) (store.Payload, error) {
	p, err := s.o.Payloads.Find(r.Context(), ref)
	if errors.Is(err, store.ErrNotFound) {
		return p, invalid(fmt.Sprintf("payload: %.64q was not uploaded here, or was not referred to within an hour", ref))
	}
	return p, err
}

// upload content: POST /v1/payloads.
func (s *Server) upload(r *request) error {
	body := s.body(r)
	p, sum, err := s.o.Payloads.Upload(r.Context(), body)
	if err != nil {
		return body.blame(err)
	}
	return r.answer(api.PayloadAnswer{Payload: p.Ref, Size: p.Size, SHA256: sum})
}

// download content for a worker: GET /v1/payloads/{ref}.
func (s *Server) download(r *request) error {
	if r.name == "" || !utf8.ValidString(r.name) || strings.ContainsFunc(r.name, unicode.IsControl) {
		return &problem{http.StatusNotFound, "not_found", fmt.Sprintf("there is no content %.128q", r.name)}
	}
	return s.stream(r, store.Payload{Ref: r.name, Size: -1})
}

// stream a payload. Where it breaks off, the connection is cut, so that nobody takes a part for the whole.
func (s *Server) stream(r *request, p store.Payload) error {
	h := r.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if p.Ref == "" {
		h.Set("Content-Length", strconv.Itoa(len(p.Data)))
		_, _ = r.w.Write(p.Data) // who asked is gone
		return nil
	}
	body, err := s.o.Payloads.Open(r.Context(), p)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return &problem{http.StatusNotFound, "not_found", fmt.Sprintf("the content %.128q is no longer there", strings.TrimPrefix(p.Ref, "source:"))}
		}
		return err
	}
	defer body.Close()
	if sized, ok := body.(interface{ Size() int64 }); ok && sized.Size() >= 0 {
		h.Set("Content-Length", strconv.FormatInt(sized.Size(), 10))
	}
	if _, err := io.Copy(&steady{to: r.w, connection: http.NewResponseController(r.w)}, body); err != nil {
		if r.Context().Err() == nil {
			s.o.Log.Warn("content broke off", "path", r.URL.Path, "error", err.Error())
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}
