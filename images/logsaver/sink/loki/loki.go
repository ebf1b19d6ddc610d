// Package loki pushes batches to Grafana Loki, in the JSON of its push API.
//
// A file is a stream: its labels are those of the configuration and pattern, instance, namespace, container, source, input and file. Loki forgets a line that it has already with the same time; times rise by at least a nanosecond within a batch and repeat with it, so that two equal lines stay two, and a batch that comes again adds none.
package loki

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/compress"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/escape"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

// A Sink pushes to one server.
type Sink struct {
	url        string
	tenant     string
	labels     map[string]string
	client     *client.Client
	compressor *compress.Compressor
	value      []byte
}

// New makes a sink; identity are the labels of the saver itself.
func New(c config.Loki, identity map[string]string) (*Sink, error) {
	compressor, err := compress.New(c.Compression)
	if err != nil {
		return nil, fmt.Errorf("loki.%w", err)
	}
	labels := maps.Clone(identity)
	maps.Copy(labels, c.Labels)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return &Sink{
		url:    strings.TrimSuffix(c.URL, "/") + "/loki/api/v1/push",
		tenant: c.Tenant, labels: labels, client: client.New(c.Auth, c.TLS), compressor: compressor,
	}, nil
}

// Write pushes a batch.
func (s *Sink) Write(ctx context.Context, b *batch.Batch) error {
	if b.Len() == 0 {
		return nil // Loki refuses a stream without lines
	}
	labels, err := json.Marshal(s.streamLabels(b))
	if err != nil {
		return err
	}
	return s.push(ctx, "push", func(w io.Writer) error { return s.encode(w, b, labels) }, s.explain)
}

// explain turns Loki's answers into what a person can do.
func (s *Sink) explain(response *http.Response) error {
	if response.StatusCode/100 == 2 {
		return nil
	}
	e := fault.FromStatus("push", s.url, response, fault.Said(response))
	switch response.StatusCode {
	case http.StatusUnauthorized:
		e.Advice = "check sink.loki.auth and sink.loki.tenant"
	case http.StatusNotFound:
		e.Advice = "sink.loki.url is the server's address without a path"
	case http.StatusBadRequest:
		e.Advice = "Loki refuses lines of this batch; see its limits (reject_old_samples, max_line_size, max_label_names_per_series)"
	}
	return e
}

// Check pushes nothing, which Loki answers only after it has let us in.
func (s *Sink) Check(ctx context.Context) error {
	nothing := func(w io.Writer) error {
		_, err := io.WriteString(w, `{"streams":[]}`)
		return err
	}
	return s.push(ctx, "check", nothing, func(response *http.Response) error {
		switch response.StatusCode {
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
			return nil // nothing is not enough, but we were heard
		}
		return s.explain(response)
	})
}

// Close closes idle connections.
func (s *Sink) Close() error { return s.client.Close() }

func (s *Sink) push(ctx context.Context, doing string, produce func(io.Writer) error, read func(*http.Response) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, nil)
	if err != nil {
		return err
	}
	stream := client.NewStream(func(w io.Writer) error {
		compressed := s.compressor.Stream(w)
		if err := produce(compressed); err != nil {
			return err
		}
		return compressed.Close()
	})
	defer stream.Close() // the batch's memory is used again
	if err := stream.Attach(request); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if s.compressor.Encoding != "" {
		request.Header.Set("Content-Encoding", s.compressor.Encoding)
	}
	if s.tenant != "" {
		request.Header.Set("X-Scope-OrgID", s.tenant)
	}
	return s.client.Do(doing, s.url, request, read)
}

func (s *Sink) streamLabels(b *batch.Batch) map[string]string {
	labels := maps.Clone(s.labels)
	for name, value := range map[string]string{"source": b.Source, "input": b.Input, "file": b.File} {
		if value != "" {
			labels[name] = value
		}
	}
	return labels
}

// encode writes one stream. Lines that are not UTF-8 have U+FFFD in place of the bytes that are not: Loki keeps text.
func (s *Sink) encode(w io.Writer, b *batch.Batch, labels []byte) error {
	if _, err := fmt.Fprintf(w, `{"streams":[{"stream":%s,"values":[`, labels); err != nil {
		return err
	}
	var last int64
	var err error
	b.Each(func(i int, record []byte) bool {
		last = max(b.Time(i).UnixNano(), last+1)
		value := s.value[:0]
		if i > 0 {
			value = append(value, ',')
		}
		value = append(value, `["`...)
		value = strconv.AppendInt(value, last, 10)
		value = append(value, `",`...)
		value, _ = escape.Append(value, record)
		s.value = append(value, ']')
		_, err = w.Write(s.value)
		return err == nil
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "]}]}")
	return err
}
