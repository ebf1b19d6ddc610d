package main_test

import (
	"fmt"
	"io"
	"maps"
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

// A collector of spans.
type collector struct {
	*httptest.Server
	t     *testing.T
	mu    sync.Mutex
	spans map[string]*otlp.Span // by ID
}

func collect(t *testing.T) *collector {
	c := &collector{t: t, spans: map[string]*otlp.Span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var data otlp.TracesData
		assert.NoError(t, proto.Unmarshal(body, &data))
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, from := range data.ResourceSpans {
			for _, scope := range from.ScopeSpans {
				for _, s := range scope.Spans {
					c.spans[string(s.SpanId)] = s
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// wait for so many spans.
func (c *collector) wait(n int) (all map[string]*otlp.Span) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		all = maps.Clone(c.spans)
		return len(all) == n
	}, within, tick, "%d spans", n)
	return all
}

func TestATraceShowsTheTree(t *testing.T) {
	spans := collect(t)
	leaves := []*leaf{newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`)), newLeaf(t, fails(http.StatusInternalServerError))}
	root := newTree(t, topK, config.Policy{Require: "best_effort"}, func(c *config.Config) {
		c.Tracing = &config.Tracing{Endpoint: spans.URL, Sample: 1}
	}, leaves...)
	require.Equal(t, http.StatusOK, root.get("/search").status)

	all := spans.wait(1 + 2 + 2 + 4) // one for each gatherer, and one for each of its requests
	depths := map[int][]string{}
	for _, s := range all {
		depth := 0
		for up := s; len(up.ParentSpanId) > 0; depth++ {
			up = all[string(up.ParentSpanId)]
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
	for _, s := range all {
		if s.Name == "shard 3" {
			assert.Equal(t, "status 500", s.Status.GetMessage())
		}
	}
	for _, l := range leaves {
		parent := l.requests[0].Header.Get("Traceparent")
		assert.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", parent, "leaves go on with it")
	}
}

func TestAMergeIsPartOfTheTrace(t *testing.T) {
	spans := collect(t)
	var asked http.Header
	merge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Clone()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(merge.Close)
	root := newGatherer(t, config.Merge{Container: &config.Container{URL: merge.URL + "/merge"}}, []*leaf{newLeaf(t, says(`[]`))})
	root.config.Tracing = &config.Tracing{Endpoint: spans.URL, Sample: 1}
	root.start()
	require.Equal(t, http.StatusOK, root.get("/search").status)
	all := spans.wait(3)
	for id, s := range all {
		if s.Name != "merge" {
			continue
		}
		assert.Equal(t, "GET /search", all[string(s.ParentSpanId)].GetName())
		assert.Equal(t, fmt.Sprintf("00-%x-%x-01", s.TraceId, id), asked.Get("Traceparent"), "the container goes on with it")
		return
	}
	t.Error("there is no span of the merge")
}
