package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// newTree is a root over two parents, which have the even half of the leaves and the rest. All are started.
func newTree(t *testing.T, merge config.Merge, policy config.Policy, also func(*config.Config), leaves ...*leaf) *gatherer {
	t.Helper()
	half := len(leaves) / 2
	root := newGatherer(t, merge)
	root.config.Shards, root.config.Node.Depth, root.config.Policy = len(leaves), 2, policy
	for i, own := range [][]*leaf{leaves[:half], leaves[half:]} {
		parent := newGatherer(t, merge)
		parent.config.Node = config.Node{Name: fmt.Sprint("parent 1.", i), Level: 1, Depth: 2}
		parent.config.Shards, parent.config.Policy = len(leaves), policy
		var shards []int
		for j, l := range own {
			shard := i*half + j
			shards = append(shards, shard)
			parent.endpoints(shard, l)
			parent.config.Children = append(parent.config.Children, config.Child{Name: fmt.Sprint("shard ", shard), Shards: []int{shard}, EndpointsFile: filepath.Join(parent.dir, fmt.Sprint("shard-", shard))})
		}
		if also != nil {
			also(&parent.config)
		}
		parent.start()
		root.config.Children = append(root.config.Children, config.Child{Name: parent.config.Node.Name, Shards: shards, Parent: true, URL: "http://" + parent.address})
	}
	if also != nil {
		also(&root.config)
	}
	return root.start()
}

func TestATreeAnswersAsOneNodeDoes(t *testing.T) {
	var leaves []*leaf
	for i := range 5 {
		leaves = append(leaves, newLeaf(t, says(fmt.Sprintf(`[{"id":%d,"score":%d},{"id":%d,"score":1}]`, i, 10-i, i+10))))
	}
	root := newTree(t, topK, config.Policy{Require: "best_effort", Deadline: config.Duration(time.Second), Prune: &config.Prune{Header: "X-Shards"}}, nil, leaves...)
	got := root.get("/q")
	assertOK(t, got)
	assert.JSONEq(t, `[{"id":0,"score":10},{"id":1,"score":9},{"id":2,"score":8}]`, got.results())
	assert.Equal(t, "5/5", got.header.Get(contract.HeaderCoverage))
	for i, l := range leaves {
		assert.Equal(t, fmt.Sprint(i), l.requests[0].Header.Get(contract.HeaderShard))
		assert.Equal(t, "5", l.requests[0].Header.Get(contract.HeaderShards))
		assert.Empty(t, l.requests[0].Header.Get(contract.HeaderLevel))
		assert.Regexp(t, `^[89]\d\d$`, l.requests[0].Header.Get(contract.HeaderDeadline), "twice something was kept back")
	}

	t.Run("a client may name shards", func(t *testing.T) {
		got := root.do(http.MethodGet, "/q", "", "X-Shards", "1,3-4")
		assertOK(t, got)
		assert.Equal(t, "3/3", got.header.Get(contract.HeaderCoverage))
		assert.JSONEq(t, `[{"id":1,"score":9},{"id":3,"score":7},{"id":4,"score":6}]`, got.results())
		got = root.do(http.MethodGet, "/q", "", "X-Shards", "5")
		assert.Equal(t, http.StatusBadRequest, got.status)
		assert.Contains(t, got.body, "there is no shard 5, only 0 to 4")
	})
	t.Run("a shard that is missing below is named above", func(t *testing.T) {
		leaves[3].becomes(fails(http.StatusInternalServerError))
		got := root.get("/q")
		assert.Equal(t, http.StatusOK, got.status)
		assert.Equal(t, contract.Coverage{Shards: 5, Answered: 4, Missing: []contract.Missing{{Shard: "3", Reason: "status 500"}}}, got.coverage)
		assert.JSONEq(t, `[{"id":0,"score":10},{"id":1,"score":9},{"id":2,"score":8}]`, got.results())
	})
	t.Run("a parent without any answer says why", func(t *testing.T) {
		for _, l := range leaves[2:] {
			l.becomes(fails(http.StatusInternalServerError))
		}
		got := root.get("/q")
		assert.Equal(t, http.StatusOK, got.status)
		assert.Equal(t, contract.Coverage{Shards: 5, Answered: 2, Missing: []contract.Missing{
			{Shard: "2", Reason: "status 500"}, {Shard: "3", Reason: "status 500"}, {Shard: "4", Reason: "status 500"},
		}}, got.coverage)
	})
	t.Run("what all refuse is refused", func(t *testing.T) {
		for _, l := range leaves {
			l.becomes(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, "not here")
			})
		}
		got := root.get("/q")
		assert.Equal(t, []any{http.StatusTeapot, "not here"}, []any{got.status, got.body})
	})
}

func TestAnAnswerIsShared(t *testing.T) {
	l := newLeaf(t, slow(100*time.Millisecond, says(`[]`)))
	g := newGatherer(t, topK, one(l))
	g.config.Policy = config.Policy{Coalesce: true, Cache: &config.Cache{TTL: config.Duration(time.Hour)}, Vary: []string{"X-User"}}
	g.start()
	var requests sync.WaitGroup
	for range 20 {
		requests.Go(func() { assertOK(t, g.get("/a?b")) })
	}
	requests.Wait()
	assert.Equal(t, 1, l.asked(), "of those that came together")
	assertOK(t, g.get("/a?b"))
	assert.Equal(t, 1, l.asked(), "of those that came later")
	for _, other := range [][]string{{http.MethodGet, "/a?c"}, {http.MethodGet, "/a?b", "X-User", "me"}, {http.MethodPost, "/a?b"}, {http.MethodPost, "/a?b"}} {
		before := l.asked()
		assertOK(t, g.do(other[0], other[1], "", other[2:]...))
		assert.Equal(t, before+1, l.asked(), other)
	}
	assert.NotEmpty(t, g.metric(`gatherer_coalesced_total{level="0"}`))
}

func TestParentsShareOnlyAnswersOfTheSameShards(t *testing.T) {
	parent := newGatherer(t, topK, one(newLeaf(t, says(`[{"id":0,"score":1}]`))), one(newLeaf(t, says(`[{"id":1,"score":1}]`))))
	parent.config.Node = config.Node{Name: "parent 1.0", Level: 1, Depth: 2}
	parent.config.Policy = config.Policy{Coalesce: true, Cache: &config.Cache{TTL: config.Duration(time.Hour)}}
	parent.start()
	for shard, want := range []string{`[{"id":0,"score":1}]`, `[{"id":1,"score":1}]`} {
		got := parent.do(http.MethodGet, "/q", "", contract.HeaderLevel, "1", contract.HeaderAsk, fmt.Sprint(shard))
		assert.JSONEq(t, want, got.body)
	}
}

func TestAHeadIsAnsweredAsAGetWithoutItsBody(t *testing.T) {
	for _, protocol := range []string{"", "h2c"} {
		l := newLeaf(t, says(`[{"id":"x","score":1}]`))
		g := newGatherer(t, topK, one(l))
		g.config.Children[0].Protocol = protocol
		g.start()
		for range 3 {
			head := g.do(http.MethodHead, "/q", "")
			assertOK(t, head)
			assert.Empty(t, head.body)
			get := g.get("/q")
			assertOK(t, get)
			assert.Equal(t, get.header.Get("Content-Length"), head.header.Get("Content-Length"))
		}
		assert.Equal(t, 6, l.asked(), "none was asked again")
	}
}

func TestWhatIsNotWholeOrNotToBeKeptIsNotKept(t *testing.T) {
	l, other := newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`))
	g := newGatherer(t, topK, one(l), one(other))
	g.config.Policy = config.Policy{Require: "1", Cache: &config.Cache{TTL: config.Duration(time.Hour)}}
	g.start()
	other.becomes(fails(500))
	for n := range 3 {
		g.get("/")
		assert.Equal(t, n+1, l.asked())
	}
	other.becomes(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60, no-store")
		says(`[]`)(w, r)
	})
	for n := range 3 {
		assertOK(t, g.get("/private"))
		assert.Equal(t, n+4, l.asked())
	}
}

func TestTooManyRequestsAreRefusedAtOnce(t *testing.T) {
	hold := make(chan struct{})
	l := newLeaf(t, says(`[]`))
	g := newGatherer(t, topK, one(l))
	g.config.Policy = config.Policy{Concurrency: 2, Queue: new(1), Deadline: config.Duration(10 * time.Second)}
	g.start()
	l.becomes(func(w http.ResponseWriter, r *http.Request) { <-hold; says(`[]`)(w, r) })
	answers := make(chan answer, 4)
	for range 4 {
		go func() { answers <- g.get("/") }()
	}
	refused := <-answers
	assert.Equal(t, http.StatusServiceUnavailable, refused.status)
	assert.Equal(t, "1", refused.header.Get("Retry-After"))
	assert.Contains(t, refused.body, "overloaded")
	close(hold)
	for range 3 {
		assertOK(t, <-answers)
	}
}

func TestLimits(t *testing.T) {
	l := newLeaf(t, says(`[]`))
	g := newGatherer(t, topK, one(l))
	g.config.Limits = config.Limits{RequestBytes: 100, PartBytes: 1000}
	g.config.Policy.Require = "best_effort"
	g.start()
	assertOK(t, g.do(http.MethodPost, "/", strings.Repeat("x", 100)))
	got := g.do(http.MethodPost, "/", strings.Repeat("x", 101))
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	assert.Contains(t, got.body, "limits.request_bytes (100)")
	l.becomes(says(`["` + strings.Repeat("x", 1000) + `"]`))
	assert.Equal(t, "too large", g.get("/").coverage.Missing[0].Reason)
	for _, wrong := range []string{"0", "soon", "-5"} {
		assert.Equal(t, http.StatusBadRequest, g.do(http.MethodGet, "/", "", contract.HeaderDeadline, wrong).status)
	}
	l.becomes(slow(time.Minute, says(`[]`)))
	begun := time.Now()
	got = g.do(http.MethodGet, "/", "", contract.HeaderDeadline, "50")
	assert.Less(t, time.Since(begun), time.Second)
	assert.Equal(t, "timeout", got.coverage.Missing[0].Reason)
}

// lines answers with so many sorted lines of NDJSON.
func lines(from, step, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		out := bufio.NewWriter(w)
		for i := range n {
			fmt.Fprintf(out, "{\"at\":%d}\n", from+i*step)
		}
		out.Flush()
	}
}

func TestStreamsAreMergedInOrder(t *testing.T) {
	merge := config.Merge{NDJSON: &config.NDJSON{By: "at"}}
	var leaves []*leaf
	for i := range 4 {
		leaves = append(leaves, newLeaf(t, lines(i, 4, 1000)))
	}
	flat := newGatherer(t, merge, one(leaves[0]), one(leaves[1]), one(leaves[2]), one(leaves[3])).start()
	for name, g := range map[string]*gatherer{"one level": flat, "two levels": newTree(t, merge, config.Policy{}, nil, leaves...)} {
		t.Run(name, func(t *testing.T) {
			got := g.get("/")
			assertOK(t, got)
			assert.Equal(t, "4/4", got.trailer.Get(contract.HeaderCoverage))
			all := strings.Split(strings.TrimSpace(got.body), "\n")
			require.Len(t, all, 4001)
			for i, line := range all[:4000] {
				assert.Equal(t, fmt.Sprintf(`{"at":%d}`, i), line)
			}
			assert.JSONEq(t, `{"coverage":{"shards":4,"answered":4,"complete":true}}`, all[4000])
		})
	}
}

func TestAStreamThatBreaksOffIsNeverTakenForWhole(t *testing.T) {
	breaks := func(w http.ResponseWriter, r *http.Request) {
		lines(0, 2, 10000)(w, r)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	for _, c := range []struct {
		name, require string
		merge         config.Merge
		cut           bool
	}{
		{"all was wanted", "all", config.Merge{NDJSON: &config.NDJSON{By: "at"}}, true},
		{"some is enough", "1", config.Merge{NDJSON: &config.NDJSON{By: "at"}}, false},
		{"some is enough, as they come", "1", config.Merge{NDJSON: &config.NDJSON{}}, false},
		{"nobody could tell where", "1", config.Merge{Concat: &config.Concat{}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken, whole := newLeaf(t, lines(0, 2, 1)), newLeaf(t, lines(1, 2, 20000))
			g := newGatherer(t, c.merge, one(broken), one(whole))
			g.config.Policy.Require = c.require
			g.start()
			broken.becomes(breaks)
			got := g.get("/")
			if c.cut {
				assert.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
				return
			}
			require.NoError(t, got.err)
			assert.Equal(t, "1/2", got.trailer.Get(contract.HeaderCoverage))
			assert.Contains(t, got.trailer.Get(contract.HeaderMissing), `0;reason="broken off: `)
			all := strings.Split(strings.TrimSpace(got.body), "\n")
			var last struct{ Coverage contract.Coverage }
			require.NoError(t, json.Unmarshal([]byte(all[len(all)-1]), &last))
			assert.Equal(t, 1, last.Coverage.Answered)
			assert.Greater(t, len(all), 20000)
		})
	}
}
