package page

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/merge"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/server"
)

// gatherer of one child at an address, served over a real connection.
func gatherer(t *testing.T, level int, parent bool, address string) (*Watcher, *httptest.Server) {
	t.Helper()
	c := &config.Config{
		Node: config.Node{Name: "node", Level: level, Depth: 2}, Shards: 1, Merge: config.Merge{JSONArray: &config.JSONArray{}},
		Children: []config.Child{{Name: "child", Shards: []int{0}, Parent: parent, EndpointsFile: "none"}},
	}
	c.SetDefaults()
	registry := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	s := scatter.New(c, scatter.NewMeters(registry, "0"), log)
	s.Children()[0].Set.Update([]string{address})
	merger, streamer := merge.New(c.Merge, c.Limits)
	front := server.New(c, server.Options{Scatterer: s, Merger: merger, Streamer: streamer, Metrics: server.NewMetrics(registry, "0"), Log: log})
	w := New(Options{Node: c.Node, Shards: 1, Scatterer: s, Server: front})
	front.Tree = w
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, w.Run(ctx)) })
	server := httptest.NewServer(front)
	t.Cleanup(func() { server.Close(); cancel(); running.Wait() })
	return w, server
}

func TestParentsAreAskedOnlyWhileSomebodyLooksAndNotTooOften(t *testing.T) {
	leaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "[1]")
	}))
	t.Cleanup(leaf.Close)
	parent, _ := gatherer(t, 1, false, leaf.Listener.Addr().String())
	var asked atomic.Int64
	counts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(contract.HeaderTree) != "" {
			asked.Add(1)
		}
		parent.Server.ServeHTTP(w, r)
	}))
	t.Cleanup(counts.Close)
	root, front := gatherer(t, 0, true, counts.Listener.Addr().String())

	var all sync.WaitGroup
	begun := time.Now()
	for range 8 { // many look, while there are requests
		all.Go(func() {
			for range 20 {
				response, err := http.Get(front.URL)
				if assert.NoError(t, err) {
					body, _ := io.ReadAll(response.Body)
					response.Body.Close()
					assert.Equal(t, http.StatusOK, response.StatusCode, string(body))
				}
				n := root.Tree(t.Context())
				if assert.NotNil(t, n.Children[0].Tree, n.Children[0].Trouble) {
					assert.Equal(t, 1, n.Children[0].Tree.Level)
				}
			}
		})
	}
	all.Wait()
	assert.LessOrEqual(t, asked.Load(), 1+int64(time.Since(begun)/askEvery))
	assert.EqualValues(t, 160, root.Tree(t.Context()).Coverage.Complete)

	before := asked.Load()
	require.Eventually(t, func() bool { // the watchers remember each second, and ask nobody for that
		root.mu.Lock()
		defer root.mu.Unlock()
		return len(root.node.kept) >= 3
	}, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, before, asked.Load())
}

func TestATreeThatGoesRoundInACircleEnds(t *testing.T) {
	var own atomic.Pointer[Watcher]
	circle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { own.Load().Server.ServeHTTP(w, r) }))
	t.Cleanup(circle.Close)
	w, _ := gatherer(t, 1, true, circle.Listener.Addr().String())
	own.Store(w)
	begun := time.Now()
	n := w.Tree(t.Context())
	assert.Less(t, time.Since(begun), 5*time.Second)
	assert.Nil(t, n.Children[0].Tree)
	assert.NotEmpty(t, n.Children[0].Trouble)
}

func TestWhatAParentTellsIsNotTrusted(t *testing.T) {
	for name, c := range map[string]struct {
		does http.HandlerFunc
		says string
	}{
		"a status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, "status 418"},
		"no JSON":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "invalid character"},
		"another place": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		}, "status 302"},
		"nothing":  {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
		"too much": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxTreeBytes+1)) }, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := httptest.NewServer(c.does)
			t.Cleanup(parent.Close)
			w, _ := gatherer(t, 0, true, parent.Listener.Addr().String())
			n := w.Tree(t.Context())
			assert.Nil(t, n.Children[0].Tree)
			assert.Contains(t, n.Children[0].Trouble, c.says)
		})
	}
}
