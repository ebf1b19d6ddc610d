package trace

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	parent  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	notKept = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func TestTheContextIsPassedOn(t *testing.T) {
	tests := []struct {
		name, header string
		tracer       *Tracer
		want         string // what the lines begin with, after "Traceparent: "
	}{
		{"as it came, without a tracer", parent, nil, parent},
		{"nothing, where nothing came and nobody traces", "", nil, ""},
		{"nothing of what is no context", "00-zz-b7ad6b7169203331-01", nil, ""},
		{"nothing of a trace of zeros", "00-00000000000000000000000000000000-b7ad6b7169203331-01", nil, ""},
		{"nothing with capital letters", strings.ToUpper(parent), nil, ""},
		{"the same trace below another span, with a tracer", parent, New("http://127.0.0.1:1", 0, nil, slog.Default()), parent[:36]},
		{"a later version", "cc" + parent[2:] + "-what-the-future-brings", nil, parent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			span := tt.tracer.Start(tt.header, "vendor=1", "GET")
			lines := string(span.Child("shard 0", "127.0.0.1:1").AppendTo(nil))
			if tt.want == "" {
				assert.Empty(t, lines)
				return
			}
			assert.Regexp(t, "^Traceparent: "+tt.want, lines)
			assert.Contains(t, lines, "\r\nTracestate: vendor=1\r\n")
			span.End("")
		})
	}
}

// collector is a real server that takes OTLP.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*otlp.Span
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var data otlp.TracesData
		assert.NoError(t, proto.Unmarshal(body, &data))
		assert.Equal(t, "/v1/traces", r.URL.Path)
		assert.Equal(t, "application/x-protobuf", r.Header.Get("Content-Type"))
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, spans := range data.ResourceSpans {
			assert.Equal(t, "service.name", spans.Resource.Attributes[0].Key)
			for _, scope := range spans.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) received() []*otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans
}

func TestSpansOfSampledRequestsAreSent(t *testing.T) {
	c := newCollector(t)
	tracer := New(c.URL+"/", 0, map[string]string{"service.name": "search", "service.namespace": ""}, slog.Default())
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- tracer.Run(ctx) }()

	tracer.Start(notKept, "", "GET").End("")
	tracer.Start("", "", "GET").End("") // nobody has decided, and nothing is sampled here
	root := tracer.Start(parent, "", "GET /search")
	child := root.Child("shard 3", "10.0.0.7:80")
	child.End("timeout")
	root.Count("shards", 8)
	root.End("")
	require.Eventually(t, func() bool { return len(c.received()) == 2 }, time.Minute, 10*time.Millisecond)
	spans := c.received()
	assert.Equal(t, []string{"shard 3", "GET /search"}, []string{spans[0].Name, spans[1].Name})
	assert.Equal(t, spans[1].SpanId, spans[0].ParentSpanId)
	assert.Equal(t, "b7ad6b7169203331", hex.EncodeToString(spans[1].ParentSpanId))
	assert.Equal(t, "timeout", spans[0].Status.Message)
	assert.EqualValues(t, 8, spans[1].Attributes[0].Value.GetIntValue())
	assert.LessOrEqual(t, spans[1].StartTimeUnixNano, spans[0].StartTimeUnixNano)

	tracer.Start(parent, "", "the last one").End("")
	end()
	require.NoError(t, <-ended)
	assert.Len(t, c.received(), 3, "what waits is sent at the end")
}

func TestACollectorThatIsAwayCostsSpansAndNothingElse(t *testing.T) {
	tracer := New("http://127.0.0.1:1", 1, map[string]string{"service.name": "search"}, slog.New(slog.DiscardHandler))
	for range maxWaiting + 10 {
		tracer.Start("", "", "GET").End("")
	}
	assert.EqualValues(t, 10, tracer.Dropped.Load())
	ctx, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, tracer.Run(ctx))
	assert.EqualValues(t, maxWaiting+10, tracer.Dropped.Load())
}
