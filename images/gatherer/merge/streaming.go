package merge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// streamingContainer is the developer's server that takes records while they come, and answers meanwhile.
type streamingContainer struct {
	url    string
	lines  ndjson
	client *http.Client
}

func newStreamingContainer(c *config.Container, limits config.Limits) *streamingContainer {
	// A body that is streamed cannot be sent again when a kept connection turns out to be closed.
	return &streamingContainer{url: c.URL, client: newClient(false), lines: ndjson{by: newPath(c.By), descending: c.Order == "desc", lineBytes: limits.LineBytes}}
}

func (m *streamingContainer) Stream(ctx context.Context, in *Request, streams []Stream, out Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader, writer := io.Pipe()
	to := &pipeSink{Sink: out, to: writer}
	written := make(chan error, 1)
	go func() {
		err := m.write(in, streams, to)
		writer.CloseWithError(err) // nil is the end
		written <- err
	}()
	err := m.exchange(ctx, in, reader, out)
	// A container may answer without reading all. Nobody waits for the rest of the parts then.
	to.ended.Store(true)
	reader.CloseWithError(io.ErrClosedPipe)
	select {
	case wrote := <-written:
		return worse(wrote, err)
	default:
	}
	interrupt(streams)
	return worse(<-written, err)
}

// worse is why there is no answer: what was wrong with the parts comes before what that made of the container's answer.
func worse(wrote, err error) error {
	var stop *stopped
	if errors.As(wrote, &stop) {
		return stop.error
	}
	return err
}

// stopped is why the parts were not read to their ends.
type stopped struct{ error }

// write the request's body.
func (m *streamingContainer) write(in *Request, streams []Stream, to *pipeSink) error {
	w := newFlusher(to)
	defer w.stop()
	head, err := json.Marshal(asked(in, to.Coverage()))
	if err != nil {
		return &stopped{err}
	}
	if err := w.line(head); err != nil {
		return err
	}
	starts := make([][]byte, len(streams))
	for i := range streams {
		starts[i] = contract.AppendRecordStart(nil, streams[i].Shards)
	}
	brace := []byte{'}'}
	err = m.lines.lines(streams, to, func(index int, line []byte) error { return w.line(starts[index], line, brace) })
	if err != nil {
		return err
	}
	return w.finish()
}

// pipeSink is where records go, while failures are the client's sink's.
type pipeSink struct {
	Sink
	to    *io.PipeWriter
	ended atomic.Bool
}

func (p *pipeSink) Write(b []byte) (int, error) { return p.to.Write(b) }
func (p *pipeSink) Flush()                      {}

// Failed passes an error on that says to stop.
func (p *pipeSink) Failed(index int, err error) error {
	if p.ended.Load() {
		return io.ErrClosedPipe // it was interrupted by ourselves
	}
	if err := p.Sink.Failed(index, err); err != nil {
		return &stopped{err}
	}
	return nil
}

func (m *streamingContainer) exchange(ctx context.Context, in *Request, body io.Reader, out Sink) error {
	response, err := post(ctx, m.client, m.url, contract.TypeNDJSON, in, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	contentType := response.Header.Get("Content-Type")
	for name, values := range passed(response.Header) {
		out.Header()[name] = values
	}
	if contentType != "" {
		out.Header().Set("Content-Type", contentType)
	}
	w := newFlusher(out)
	defer w.stop()
	if _, err = io.Copy(w, response.Body); err != nil {
		return explain(m.url, err)
	}
	return w.finish()
}
