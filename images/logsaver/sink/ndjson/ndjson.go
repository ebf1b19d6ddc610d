// Package ndjson sends batches to an HTTP server: a POST of one JSON object a line, with the batch's name as the Idempotency-Key.
//
// Each line is {"time": RFC 3339, "source", "input", "file", "message"}. A message that is not UTF-8 has U+FFFD in place of the bytes that are not, and comes as it was in "raw", in base64.
package ndjson

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/compress"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/escape"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

// A Sink sends to one URL.
type Sink struct {
	config     config.HTTP
	client     *client.Client
	compressor *compress.Compressor
	line       []byte
}

// New makes a sink.
func New(c config.HTTP) (*Sink, error) {
	compressor, err := compress.New(c.Compression)
	if err != nil {
		return nil, fmt.Errorf("http.%w", err)
	}
	return &Sink{config: c, client: client.New(c.Auth, c.TLS), compressor: compressor}, nil
}

// Write sends a batch.
func (s *Sink) Write(ctx context.Context, b *batch.Batch) error {
	request, err := s.request(ctx, http.MethodPost)
	if err != nil {
		return err
	}
	stream := client.NewStream(func(w io.Writer) error {
		compressed := s.compressor.Stream(w)
		if err := s.encode(compressed, b); err != nil {
			return err
		}
		return compressed.Close()
	})
	defer stream.Close() // the batch's memory is used again
	if err := stream.Attach(request); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Idempotency-Key", b.Name)
	if s.compressor.Encoding != "" {
		request.Header.Set("Content-Encoding", s.compressor.Encoding)
	}
	const doing = "post"
	return s.client.Do(doing, s.config.URL, request, func(response *http.Response) error {
		if response.StatusCode/100 != 2 {
			return fault.FromStatus(doing, s.config.URL, response, fault.Said(response))
		}
		return nil
	})
}

// Check connects, and sends a HEAD: what a server for POST answers to it is its own affair, but for credentials that it refuses.
func (s *Sink) Check(ctx context.Context) error {
	request, err := s.request(ctx, http.MethodHead)
	if err != nil {
		return err
	}
	return s.client.Do("check", s.config.URL, request, func(response *http.Response) error {
		if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusProxyAuthRequired {
			return fault.FromStatus("check", s.config.URL, response, fault.Said(response))
		}
		return nil
	})
}

// Close closes idle connections.
func (s *Sink) Close() error { return s.client.Close() }

func (s *Sink) request(ctx context.Context, method string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.config.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range s.config.Headers {
		request.Header.Set(name, value)
	}
	return request, nil
}

// encode writes a batch's lines; what all of them share is made once.
func (s *Sink) encode(w io.Writer, b *batch.Batch) error {
	var same []byte
	for _, field := range [][2]string{{"source", b.Source}, {"input", b.Input}, {"file", b.File}} {
		same = append(same, `,"`+field[0]+`":`...)
		same, _ = escape.Append(same, []byte(field[1]))
	}
	same = append(same, `,"message":`...)
	var err error
	b.Each(func(i int, record []byte) bool {
		line := append(s.line[:0], `{"time":"`...)
		line = b.Time(i).UTC().AppendFormat(line, time.RFC3339Nano)
		line = append(line, '"')
		line = append(line, same...)
		line, utf8 := escape.Append(line, record)
		if !utf8 {
			line = append(line, `,"raw":"`...)
			line = base64.StdEncoding.AppendEncode(line, record)
			line = append(line, '"')
		}
		s.line = append(line, '}', '\n')
		_, err = w.Write(s.line)
		return err == nil
	})
	return err
}
