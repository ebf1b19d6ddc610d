package main_test

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

func TestARequestGoesToAllShardsUnchanged(t *testing.T) {
	a, b := newLeaf(t, says(`[{"id":"x","score":1},{"id":"y","score":5}]`)), newLeaf(t, says(`[{"id":"z","score":3},{"id":"w","score":0}]`))
	g := newGatherer(t, topK, one(a), one(b)).start()
	got := g.do(http.MethodPost, "/search/it?q=a%20b&n=2", "the body", "X-Own", "kept", "Accept-Encoding", "br", "Content-Type", "text/plain", "Connection", "X-Hop", "X-Hop", "gone")
	assertOK(t, got)
	assert.JSONEq(t, `{"coverage":{"shards":2,"answered":2,"complete":true},"results":[{"id":"y","score":5},{"id":"z","score":3},{"id":"x","score":1}]}`, got.body)
	assert.Equal(t, "2/2", got.header.Get(contract.HeaderCoverage))
	for i, l := range []*leaf{a, b} {
		require.Equal(t, 1, l.asked())
		r := l.requests[0]
		assert.Equal(t, []string{http.MethodPost, "/search/it?q=a%20b&n=2", "the body", g.address}, []string{r.Method, r.RequestURI, l.bodies[0], r.Host})
		for name, want := range map[string]string{
			"X-Own": "kept", "X-Hop": "", "Content-Type": "text/plain", "Accept-Encoding": "identity",
			contract.HeaderShard: string(rune('0' + i)), contract.HeaderShards: "2", contract.HeaderAttempt: "1",
		} {
			assert.Equal(t, want, r.Header.Get(name), name)
		}
		assert.Regexp(t, `^1[89]\d\d$`, r.Header.Get(contract.HeaderDeadline), "of 2 s")
	}
}

func TestFailuresAreRepeatedAtOtherReplicas(t *testing.T) {
	for _, c := range []struct {
		name string
		bad  http.HandlerFunc
	}{
		{"a status that says try again", fails(http.StatusServiceUnavailable)},
		{"a connection that is cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad, good := newLeaf(t, c.bad), newLeaf(t, says(`[]`))
			bad.do = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/probe" {
					c.bad(w, r)
				}
			}
			g := newGatherer(t, topK, all(bad, good)).start()
			for range 50 {
				assertOK(t, g.get("/"))
			}
			assert.Equal(t, 50, good.asked())
			assert.Less(t, bad.asked(), 20, "after some failures it is asked seldom")
		})
	}
}

func TestPartialAnswersSaySo(t *testing.T) {
	good, gone := newLeaf(t, says(`[{"id":"x","score":1}]`)), newLeaf(t, says(`[]`))
	for _, c := range []struct {
		name, require string
		bad           http.HandlerFunc
		status        int
		reason        string
	}{
		{"all wants all", "all", fails(500), 503, "status 500"},
		{"best effort takes what there is", "best_effort", fails(500), 200, "status 500"},
		{"half is half", "0.5", fails(500), 200, "status 500"},
		{"a quorum of two is two", "quorum", fails(500), 503, "status 500"},
		{"who is late is missing", "best_effort", slow(time.Minute, says(`[]`)), 200, "timeout"},
		{"who does not speak JSON is missing", "best_effort", says(`[}`), 200, "invalid answer: it is not valid JSON"},
		{"who cuts is missing", "1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("["))
			panic(http.ErrAbortHandler)
		}, 200, "connection lost: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gone.becomes(says(`[]`))
			g := newGatherer(t, topK, one(good), one(gone))
			g.config.Policy = config.Policy{Require: c.require, Deadline: config.Duration(300 * time.Millisecond)}
			g.start()
			gone.becomes(c.bad)
			got := g.get("/search")
			require.NoError(t, got.err)
			assert.Equal(t, c.status, got.status, got.body)
			assert.Equal(t, contract.Coverage{Shards: 2, Answered: 1, Missing: []contract.Missing{{Shard: "1", Reason: c.reason}}}, got.coverage)
			if c.status == 200 {
				assert.JSONEq(t, `{"coverage":{"shards":2,"answered":1,"complete":false,"missing":[{"shard":"1","reason":"`+c.reason+`"}]},"results":[{"id":"x","score":1}]}`, got.body)
			} else {
				assert.Contains(t, got.body, `"error":"too few shards have answered: 1 of 2`)
			}
		})
	}
}

func TestASlowReplicaIsOvertaken(t *testing.T) {
	quick, lame := newLeaf(t, says(`[]`)), newLeaf(t, slow(time.Minute, says(`[]`)))
	lame.becomes(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/probe" {
			slow(time.Minute, says(`[]`))(w, r)
		}
	})
	g := newGatherer(t, topK, all(quick, lame))
	g.config.Policy = config.Policy{Deadline: config.Duration(5 * time.Second), Hedge: &config.Hedge{After: "20ms", Budget: 0.5}}
	g.start()
	for range 20 {
		begun := time.Now()
		assertOK(t, g.get("/"))
		assert.Less(t, time.Since(begun), 3*time.Second)
	}
	assert.Equal(t, 20, quick.asked())
	require.Eventually(t, func() bool { lame.mu.Lock(); defer lame.mu.Unlock(); return lame.gone == len(lame.requests) }, within, tick, "the loser is cancelled")
}

func TestADeadReplicaCostsNothingAndComesBack(t *testing.T) {
	good, other := newLeaf(t, says(`[]`)), newLeaf(t, says(`[]`))
	address := other.address()
	g := newGatherer(t, topK, all(good, other)).start()
	other.Close()
	open := `gatherer_breaker_open{child="shard 0",replica="` + address + `"}`
	require.Eventually(t, func() bool {
		var requests sync.WaitGroup
		for range 8 { // so that one replica is not enough
			requests.Go(func() { assertOK(t, g.get("/")) })
		}
		requests.Wait()
		return g.metric(open) == "1"
	}, within, tick)
	before := g.metric(`gatherer_attempts_total{child="shard 0",kind="retry",level="0"}`)
	for range 50 {
		assertOK(t, g.get("/"))
	}
	assert.Equal(t, before, g.metric(`gatherer_attempts_total{child="shard 0",kind="retry",level="0"}`), "nobody is sent there any more")
	back := newLeafAt(t, address, says(`[]`))
	require.Eventually(t, func() bool {
		var requests sync.WaitGroup
		for range 8 {
			requests.Go(func() { assertOK(t, g.get("/")) })
		}
		requests.Wait()
		return back.asked() > 0
	}, within, tick)
	assert.Equal(t, "0", g.metric(open))
}

func TestATerminationFailsNobody(t *testing.T) {
	l := newLeaf(t, slow(50*time.Millisecond, says(`[]`)))
	g := newGatherer(t, topK, one(l)).start()
	answers := make(chan answer, 100)
	for range 8 {
		go func() {
			for i := 0; ; i++ {
				a := g.get("/")
				answers <- a
				if a.err != nil {
					return
				}
			}
		}()
	}
	for range 20 {
		assertOK(t, <-answers)
	}
	code := make(chan int)
	go func() { code <- g.Terminate() }()
	refused := 0
	for refused < 8 {
		a := <-answers
		if a.err == nil {
			assertOK(t, a)
			continue
		}
		assert.ErrorContains(t, a.err, "connection refused", "who comes afterwards finds nobody; who was there is answered")
		refused++
	}
	assert.Zero(t, <-code)
}

func TestWhoIsReadyListens(t *testing.T) {
	l := newLeaf(t, says(`[]`))
	for range 5 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := free.Addr().String()
		free.Close()
		g := newGatherer(t, topK, one(l))
		g.config.Listen = address
		g.Process = imagetest.Start(t, exec.Command(filepath.Join(built.Folder(t), "gatherer"), "-config", g.write()))
		require.Eventually(t, func() bool {
			g.management = g.logged("starting", "management")
			return g.management != ""
		}, within, time.Millisecond)
		status := 0
		for end := time.Now().Add(within); status != http.StatusOK && time.Now().Before(end); {
			status, _ = g.manage("/health/ready")
		}
		require.Equal(t, http.StatusOK, status)
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		c.Close()
		g.Terminate()
	}
}
