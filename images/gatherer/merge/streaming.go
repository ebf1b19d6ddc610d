package merge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

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
	return &streamingContainer{url: c.URL, client: newClient(), lines: ndjson{by: c.By, descending: c.Order == "desc", lineBytes: limits.LineBytes}}
}

func (m *streamingContainer) Stream(ctx context.Context, in *Request, streams []Stream, out Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader, writer := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := m.write(in, streams, out, writer)
		writer.CloseWithError(err) // nil is the end
		written <- err
	}()
	err := m.exchange(ctx, reader, out)
	reader.CloseWithError(errors.New("the merge container has ended its answer"))
	cancel()
	// What it has answered without reading all is its answer nevertheless.
	if wrote := <-written; err == nil && wrote != nil && !errors.Is(wrote, io.ErrClosedPipe) && out.Coverage().Answered == 0 {
		return wrote
	} else if err == nil && errors.As(wrote, new(*stopped)) {
		return wrote
	}
	return err
}

// stopped is why the parts were not read to their ends.
type stopped struct{ error }

// write the request's body.
func (m *streamingContainer) write(in *Request, streams []Stream, out Sink, to *io.PipeWriter) error {
	w := &pipeSink{PipeWriter: to, Sink: out}
	lines := newLineWriter(w)
	head, err := json.Marshal(asked(in, out.Coverage()))
	if err != nil {
		return err
	}
	if err := lines.line(head); err != nil {
		return err
	}
	starts := make([][]byte, len(streams))
	for i := range streams {
		shards, err := json.Marshal(streams[i].Shards)
		if err != nil {
			return err
		}
		starts[i] = fmt.Appendf(nil, `{"shards":%s,"record":`, shards)
	}
	var record []byte
	err = m.lines.lines(streams, w, func(index int, line []byte) error {
		record = append(append(append(record[:0], starts[index]...), line...), '}')
		return lines.line(record)
	})
	if err != nil {
		return err
	}
	return lines.Flush()
}

// pipeSink is where records go, while failures are the client's sink's.
type pipeSink struct {
	*io.PipeWriter
	Sink
}

func (p *pipeSink) Write(b []byte) (int, error) { return p.PipeWriter.Write(b) }
func (p *pipeSink) Flush()                      {}

// Failed passes an error on that says to stop.
func (p *pipeSink) Failed(index int, err error) error {
	if err := p.Sink.Failed(index, err); err != nil {
		return &stopped{err}
	}
	return nil
}

func (p *pipeSink) Coverage() contract.Coverage { return p.Sink.Coverage() }

func (m *streamingContainer) exchange(ctx context.Context, body io.Reader, out Sink) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", ndjsonType)
	response, err := m.client.Do(request)
	if err != nil {
		return explain(m.url, err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200)) // only to say more
		return fmt.Errorf("the merge container at %s answers %s: %s", m.url, response.Status, text)
	}
	for name, values := range passed(response.Header) {
		out.Header()[name] = values
	}
	out.Header().Set("Content-Type", response.Header.Get("Content-Type"))
	buffer := make([]byte, 32<<10)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			if _, err := out.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF { //nolint:errorlint // as io.Reader has it
			out.Flush()
			return nil
		}
		if err != nil {
			return explain(m.url, err)
		}
	}
}
