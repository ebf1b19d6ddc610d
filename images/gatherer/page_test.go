package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/page"
)

// tree is what the management port tells.
func (g *gatherer) tree() *page.Node {
	g.t.Helper()
	status, body := g.manage("/tree")
	require.Equal(g.t, http.StatusOK, status, body)
	var out page.Node
	require.NoError(g.t, json.Unmarshal([]byte(body), &out))
	return &out
}

func (g *gatherer) treeUntil(what string, is func(n *page.Node) bool) {
	g.t.Helper()
	require.Eventually(g.t, func() bool { return is(g.tree()) }, within, 50*time.Millisecond, what)
}

func TestTheTreeOfOneLevel(t *testing.T) {
	well, other, fails0 := newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`))
	g := newGatherer(t, topK, all(well, fails0), one(other))
	g.config.Policy = config.Policy{Require: "1", Breaker: config.Breaker{Failures: 1}}
	g.start()
	for range 50 {
		assertOK(t, g.get("/"))
	}
	n := g.tree()
	assert.Equal(t, []any{"root", 0, 1, "0-1", 2, "1", "test"}, []any{n.Name, n.Level, n.Depth, n.Shards, n.Count, n.Require, n.Instance})
	assert.EqualValues(t, 50, n.Coverage.Complete)
	assert.InDelta(t, 1, n.Coverage.Ratio, 0)
	assert.Positive(t, n.PerSecond)
	g.treeUntil("latencies are known", func(n *page.Node) bool { return n.P50 > 0 && n.Children[0].P50 > 0 })
	require.Len(t, n.Children, 2)
	assert.Equal(t, []any{"shard 0", "0", false, page.OK, 2}, []any{n.Children[0].Name, n.Children[0].Shards, n.Children[0].Parent, n.Children[0].State, len(n.Children[0].Replicas)})
	assert.EqualValues(t, 50, n.Children[1].First)
	assert.EqualValues(t, 50, n.Children[1].Answered)

	fails0.CloseClientConnections()
	fails0.Listener.Close()
	g.treeUntil("a replica that is gone has its breaker open", func(n *page.Node) bool {
		g.get("/")
		return n.Children[0].State == page.Open
	})
	other.becomes(says(`{not JSON`))
	g.treeUntil("a shard whose answers cannot be merged has none", func(n *page.Node) bool {
		g.get("/")
		c := n.Children[1]
		return c.State == page.Flaky && strings.HasPrefix(c.Reason, "invalid answer: ") && c.Invalid > 0 && n.Coverage.Partial > 0
	})
	other.becomes(fails(http.StatusInternalServerError))
	g.treeUntil("a shard without answers is flaky at first", func(n *page.Node) bool {
		g.get("/")
		return n.Children[1].State == page.Flaky && n.Children[1].Reason == "status 500" && n.Coverage.Partial > 0 && n.Coverage.Ratio < 1
	})
	other.Close()
	g.treeUntil("and missing when nobody is there", func(n *page.Node) bool {
		g.get("/")
		return n.Children[1].State == page.Missing && n.Children[1].Replicas[0].Breaker == "open"
	})
}

func TestTheTreeOfTwoLevels(t *testing.T) {
	var leaves []*leaf
	for i := range 4 {
		leaves = append(leaves, newLeaf(t, says(fmt.Sprintf(`[{"id":%d,"score":1}]`, i))))
	}
	root := newTree(t, topK, config.Policy{Require: "best_effort"}, nil, leaves...)
	assertOK(t, root.get("/"))
	n := root.tree()
	require.Len(t, n.Children, 2)
	for i, c := range n.Children {
		require.NotNil(t, c.Tree, c.Trouble)
		assert.Equal(t, fmt.Sprint("parent 1.", i), c.Tree.Name)
		assert.Equal(t, 1, c.Tree.Level)
		require.Len(t, c.Tree.Children, 2)
		assert.Equal(t, fmt.Sprint("shard ", 2*i), c.Tree.Children[0].Name)
		assert.EqualValues(t, 1, c.Tree.Coverage.Complete, "to look is no request")
	}
	assert.Equal(t, 1, leaves[0].asked(), "no leaf hears of it")

	t.Run("who asks a parent for it gets it at the port of requests", func(t *testing.T) {
		direct := &gatherer{address: strings.TrimPrefix(root.config.Children[0].URL, "http://")}
		got := direct.do(http.MethodGet, "/anything", "", contract.HeaderTree, "1")
		var below page.Node
		require.NoError(t, json.Unmarshal([]byte(got.body), &below))
		assert.Equal(t, "parent 1.0", below.Name)
	})
	t.Run("a client of the root does not", func(t *testing.T) {
		got := root.do(http.MethodGet, "/", "", contract.HeaderTree, "1")
		assertOK(t, got)
		assert.Contains(t, got.results(), `"id"`)
		for _, r := range leaves[0].requests {
			assert.Empty(t, r.Header.Get(contract.HeaderTree))
		}
	})
	t.Run("a leaf that is missing below is seen above", func(t *testing.T) {
		leaves[3].Close()
		root.treeUntil("by its parent and the root", func(n *page.Node) bool {
			root.get("/")
			below := n.Children[1].Tree
			return below != nil && below.Children[1].State == page.Missing && n.Children[1].State == page.Flaky
		})
	})
}

func TestAParentThatDisappearsIsRememberedForAWhile(t *testing.T) {
	leaf := newLeaf(t, says(`[]`))
	parent := newGatherer(t, topK, one(leaf))
	parent.config.Node = config.Node{Name: "parent 1.0", Level: 1, Depth: 2}
	parent.start()
	root := newGatherer(t, topK)
	root.config.Shards, root.config.Node.Depth = 1, 2
	root.config.Children = []config.Child{{Name: "parent 1.0", Shards: []int{0}, Parent: true, URL: "http://" + parent.address}}
	root.start()
	root.treeUntil("the tree below is known", func(n *page.Node) bool { return n.Children[0].Tree != nil && n.Children[0].From == parent.address })
	parent.Terminate()
	root.treeUntil("it is still told, with what is wrong", func(n *page.Node) bool {
		c := n.Children[0]
		return c.Trouble != "" && c.Tree != nil && c.Age > 1 && c.Tree.Children[0].Name == "shard 0"
	})
}

func TestThePageIsServed(t *testing.T) {
	g := newGatherer(t, topK, one(newLeaf(t, says(`[]`)))).start()
	response, err := http.Get("http://" + g.management + "/")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
	assert.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'")
	assert.NotContains(t, string(body), "http-equiv")
	request, err := http.NewRequest(http.MethodGet, "http://"+g.management+"/assets/page.js", nil)
	require.NoError(t, err)
	script, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	script.Body.Close()
	assert.Equal(t, "text/javascript; charset=utf-8", script.Header.Get("Content-Type"))
	request.Header.Set("If-None-Match", script.Header.Get("ETag"))
	again, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	again.Body.Close()
	assert.Equal(t, http.StatusNotModified, again.StatusCode)
	for path, want := range map[string]int{"/assets/absent.js": http.StatusNotFound, "/assets/": http.StatusNotFound, "/health/live": http.StatusOK, "/info": http.StatusOK} {
		status, _ := g.manage(path)
		assert.Equal(t, want, status, path)
	}
}
