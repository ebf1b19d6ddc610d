package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Bounds of what waits to be sent: a collector that is away costs spans, and nothing else.
const (
	maxWaiting = 4096
	maxBatch   = 512
	flushEvery = time.Second
	patience   = 5 * time.Second
)

// A Tracer sends the spans of sampled requests to a collector, by OTLP over HTTP (OpenTelemetry Protocol 1.x, binary).
type Tracer struct {
	url      string
	sample   float64
	resource *resource.Resource
	waiting  chan *Span
	log      *slog.Logger
	// Dropped counts spans that could not be sent.
	Dropped atomic.Uint64
}

// New makes a Tracer. The attributes say who this is ("service.name"); Run sends.
func New(endpoint string, sample float64, attributes map[string]string, log *slog.Logger) *Tracer {
	t := &Tracer{
		url: strings.TrimSuffix(endpoint, "/") + "/v1/traces", sample: sample, resource: &resource.Resource{},
		waiting: make(chan *Span, maxWaiting), log: log,
	}
	for name, value := range attributes {
		if value != "" {
			t.resource.Attributes = append(t.resource.Attributes, text(name, value))
		}
	}
	return t
}

func (t *Tracer) add(s *Span) {
	select {
	case t.waiting <- s:
	default:
		t.Dropped.Add(1)
	}
}

// Run sends spans until the context ends, and then what is left.
func (t *Tracer) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	well := true
	var batch []*Span
	flush := func(ctx context.Context) {
		if len(batch) == 0 {
			return
		}
		err := t.send(ctx, batch)
		if err != nil {
			t.Dropped.Add(uint64(len(batch)))
		}
		if err != nil && well {
			t.log.Warn("spans are not sent", "error", err.Error())
		}
		well, batch = err == nil, batch[:0]
	}
	for {
		select {
		case s := <-t.waiting:
			if batch = append(batch, s); len(batch) == maxBatch {
				flush(ctx)
			}
		case <-tick.C:
			flush(ctx)
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			for len(t.waiting) > 0 && len(batch) < maxWaiting {
				batch = append(batch, <-t.waiting)
			}
			flush(ending)
			return nil
		}
	}
}

func (t *Tracer) send(ctx context.Context, batch []*Span) error {
	scope := &otlp.ScopeSpans{Scope: &common.InstrumentationScope{Name: "container-patterns.dev/gatherer"}}
	for _, s := range batch {
		scope.Spans = append(scope.Spans, s.otlp())
	}
	// The same bytes as an ExportTraceServiceRequest, whose package would bring gRPC.
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: []*otlp.ResourceSpans{{Resource: t.resource, ScopeSpans: []*otlp.ScopeSpans{scope}}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection is used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", t.url, response.Status)
	}
	return nil
}

func (s *Span) otlp() *otlp.Span {
	out := &otlp.Span{
		TraceId: s.trace[:], SpanId: s.id[:], TraceState: s.state, Name: s.name, Kind: otlp.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(s.begun.UnixNano()), EndTimeUnixNano: uint64(s.ended.UnixNano()), Flags: uint32(s.flags),
	}
	if s.parent != [8]byte{} {
		out.ParentSpanId = s.parent[:]
	}
	if s.kind == client {
		out.Kind = otlp.Span_SPAN_KIND_CLIENT
		out.Attributes = append(out.Attributes, text("server.address", s.peer))
	}
	for _, c := range s.counts {
		out.Attributes = append(out.Attributes, &common.KeyValue{Key: "pattern." + c.name, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: c.value}}})
	}
	if s.failed != "" {
		out.Status = &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR, Message: s.failed}
	}
	return out
}

func text(name, value string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}
