package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

func TestATraceShowsTheTree(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]*otlp.Span{} // by ID
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var data otlp.TracesData
		assert.NoError(t, proto.Unmarshal(body, &data))
		mu.Lock()
		defer mu.Unlock()
		for _, from := range data.ResourceSpans {
			for _, scope := range from.ScopeSpans {
				for _, s := range scope.Spans {
					spans[string(s.SpanId)] = s
				}
			}
		}
	}))
	t.Cleanup(collector.Close)

	leaves := []*leaf{newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`)), newLeaf(t, fails(http.StatusInternalServerError))}
	root := newTree(t, topK, config.Policy{Require: "best_effort"}, func(c *config.Config) {
		c.Tracing = &config.Tracing{Endpoint: collector.URL, Sample: 1}
	}, leaves...)
	require.Equal(t, http.StatusOK, root.get("/search").status)

	all := func() int { mu.Lock(); defer mu.Unlock(); return len(spans) }
	require.Eventually(t, func() bool { return all() == 1+2+2+4 }, within, tick, "a span for each gatherer, and one for each of its requests")
	mu.Lock()
	defer mu.Unlock()
	depths := map[int][]string{}
	for _, s := range spans {
		depth := 0
		for up := s; len(up.ParentSpanId) > 0; depth++ {
			up = spans[string(up.ParentSpanId)]
			require.NotNil(t, up, "each is below another")
		}
		depths[depth] = append(depths[depth], s.Name)
		assert.LessOrEqual(t, s.StartTimeUnixNano, s.EndTimeUnixNano)
		assert.Less(t, time.Duration(s.EndTimeUnixNano-s.StartTimeUnixNano), within)
	}
	assert.Equal(t, []string{"GET /search"}, depths[0])
	assert.ElementsMatch(t, []string{"parent 1.0", "parent 1.1"}, depths[1])
	assert.Equal(t, []string{"GET /search", "GET /search"}, depths[2])
	assert.ElementsMatch(t, []string{"shard 0", "shard 1", "shard 2", "shard 3"}, depths[3])
	for _, s := range spans {
		if s.Name == "shard 3" {
			assert.Equal(t, "status 500", s.Status.GetMessage())
		}
	}
	for _, l := range leaves {
		parent := l.requests[0].Header.Get("Traceparent")
		assert.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", parent, "leaves go on with it")
	}
}
