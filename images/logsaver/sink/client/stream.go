package client

import (
	"bufio"
	"io"
	"net/http"
	"sync"
)

// A Stream is a request's body that is made while it is sent, so that it need not fit in memory.
type Stream struct {
	produce func(w io.Writer) error

	mu      sync.Mutex
	current *run
}

type run struct {
	*io.PipeReader
	ended chan struct{}
}

// NewStream makes a body of what produce writes. Produce may be called again, for a server that has closed an idle connection in the same moment, and never twice at once.
func NewStream(produce func(w io.Writer) error) *Stream { return &Stream{produce: produce} }

// Attach makes the stream the body of a request.
func (s *Stream) Attach(request *http.Request) error {
	body, err := s.open()
	request.Body, request.GetBody, request.ContentLength = body, s.open, -1
	return err
}

// Close ends the production and returns when it has ended.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

func (s *Stream) open() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	reader, writer := io.Pipe()
	r := &run{PipeReader: reader, ended: make(chan struct{})}
	s.current = r
	go func() {
		defer close(r.ended)
		buffered := bufio.NewWriterSize(writer, buffer)
		err := s.produce(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		writer.CloseWithError(err)
	}()
	return r, nil
}

func (s *Stream) end() {
	if s.current == nil {
		return
	}
	s.current.Close()
	<-s.current.ended
	s.current = nil
}
