package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// body of a payload: as long as is allowed, and each piece of it in time.
func (s *Server) body(r *request) *patient {
	limit := s.plan.Load().Limits.ItemBytes
	return &patient{from: http.MaxBytesReader(r.w, r.Body, limit), connection: http.NewResponseController(r.w)}
}

// patient reads as long as something comes.
type patient struct {
	from       io.Reader
	connection *http.ResponseController
	set        time.Time
	failed     error
}

// Read remembers what fails, so that it is told from what fails where the content is kept.
func (p *patient) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.set) > bodyTime/10 {
		p.set = now
		_ = p.connection.SetReadDeadline(now.Add(bodyTime)) // not every connection has one
		_ = p.connection.SetWriteDeadline(now.Add(writeTimeout))
	}
	n, err := p.from.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		_ = p.connection.SetReadDeadline(time.Time{})
	case err != nil:
		p.failed = err
	}
	return n, err
}

// blame the body for an error, if it is to blame.
func (p *patient) blame(err error) error {
	if p.failed != nil {
		return bodyProblem(p.failed)
	}
	return err
}

// steady writes as long as something is taken.
type steady struct {
	to         io.Writer
	connection *http.ResponseController
	set        time.Time
}

func (s *steady) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(s.set) > writeTimeout/10 {
		s.set = now
		_ = s.connection.SetWriteDeadline(now.Add(writeTimeout)) // not every connection has one
	}
	return s.to.Write(b)
}
