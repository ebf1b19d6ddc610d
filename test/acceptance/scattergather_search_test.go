//go:build acceptance

package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// queries of the search, each of which some pages answer.
var queries = []string{
	"open file", "signal handler", "memory map", "socket address", "thread", "floating point", "process group", "time zone", "directory entry",
	"character set", "terminal", "semaphore", "environment variable", "random number", "string copy", "page size", "wait child", "user namespace",
	"capability", "pipe", "sort array", "logarithm", "symbolic link", "real-time", "locale", "overflow", "errno", "zzzz",
}

// A searcher asks the example's search, and knows what its answers must be.
type searcher struct {
	s      *stage
	client http.Client
	golden map[string]string
}

type found struct {
	status   int
	hits     string
	coverage contract.Coverage
	body     string
}

// bases are where clients find the root: a Service of Kubernetes has an address of its own; of Nomad's catalogue clients take one,
// and the next where that refuses them.
func (c *searcher) bases() (all []string) {
	if c.s.name() == "kubernetes" {
		base, _ := c.s.instance("search")["url"].(string)
		return []string{base}
	}
	for _, r := range c.s.replicas(c.s.T, "search") {
		if r.Group == "root" && r.Ready {
			all = append(all, "http://"+r.Address)
		}
	}
	return all
}

func (c *searcher) ask(query string) (found, error) { return c.askOneOf(c.bases(), query) }

func (c *searcher) askOneOf(bases []string, query string) (f found, err error) {
	err = errors.New("nobody serves")
	for _, base := range bases {
		if f, err = c.askAt(base, query); err == nil {
			return f, nil
		}
	}
	return f, err
}

func (c *searcher) askAt(base, query string) (found, error) {
	response, err := c.client.Get(base + "/search?n=7&q=" + url.QueryEscape(query))
	if err != nil {
		return found{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return found{}, err
	}
	f := found{status: response.StatusCode, body: string(body)}
	f.coverage, _, err = contract.ReadCoverage(response.Header.Get)
	var answer struct {
		Hits     json.RawMessage   `json:"hits"`
		Coverage contract.Coverage `json:"coverage"`
	}
	if json.Unmarshal(body, &answer) == nil {
		f.hits = string(answer.Hits)
	}
	return f, err
}

// same requires that all answers are what the unsharded search has answered.
func (c *searcher) same(what string) {
	c.s.Helper()
	for _, q := range queries {
		got, err := c.ask(q)
		require.NoError(c.s, err, what)
		require.Equal(c.s, http.StatusOK, got.status, "%s: %s: %s", what, q, got.body)
		require.True(c.s, got.coverage.Complete, "%s: %s: %+v", what, q, got.coverage)
		require.JSONEq(c.s, c.golden[q], got.hits, "%s: %s", what, q)
	}
}

// under load nothing fails, while something happens.
func (c *searcher) under(what string, happens func()) {
	c.s.Helper()
	bases := c.bases()
	end := make(chan struct{})
	var clients sync.WaitGroup
	var asked, failed atomic.Int64
	var first sync.Once
	fail := func(format string, args ...any) {
		failed.Add(1)
		first.Do(func() { c.s.Logf("%s: the first failure: %s", what, fmt.Sprintf(format, args...)) })
	}
	for n := range 3 {
		clients.Go(func() {
			own := bases
			for i := n; ; i++ {
				select {
				case <-end:
					return
				case <-time.After(20 * time.Millisecond): // a load, and not a flood
				}
				q := queries[i%len(queries)]
				got, err := c.askOneOf(own, q)
				if i%20 == 0 || err != nil {
					own = c.bases()
				}
				if err != nil {
					got, err = c.askOneOf(own, q)
				}
				asked.Add(1)
				switch {
				case err != nil:
					fail("%v", err)
				case got.status != http.StatusOK || !got.coverage.Complete:
					fail("%s: %d %.300s", q, got.status, got.body)
				case !sameJSON(c.golden[q], got.hits):
					fail("%s: %.300s, and not %.300s", q, got.hits, c.golden[q])
				}
			}
		})
	}
	happens()
	close(end)
	clients.Wait()
	c.s.Logf("%s: %d queries, %d failed", what, asked.Load(), failed.Load())
	assert.Zero(c.s, failed.Load(), what)
	assert.Greater(c.s, asked.Load(), int64(10), what)
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return assert.ObjectsAreEqual(x, y)
}

// ofShard are the replicas of one shard of so many.
func (s *stage) ofShard(shards, shard int) (out []replica) {
	for _, r := range s.replicas(s.T, "search") {
		if r.Group == fmt.Sprintf("leaf-%d-%d", shards, shard) {
			out = append(out, r)
		}
	}
	return out
}

func (s *stage) signal(replicas []replica, signal syscall.Signal) {
	s.Helper()
	for _, r := range replicas {
		pids := s.pids(s.T, r, "main")
		assert.NotEmpty(s, pids, "%s has no process", r.ID)
		for _, pid := range pids {
			_ = syscall.Kill(pid, signal) // it may have ended
		}
	}
}

// The paper's scatter/gather as examples/scenarios/search has it: leaves in Python, the merge in PHP.
//
// It is not parallel: it has the machine to itself for what it measures by time, deadlines.
func TestSearchIsOneWhateverItIsSplitInto(t *testing.T) {
	for _, v := range []string{"PATTERN_IMAGES_REPOSITORY", "PATTERN_IMAGES_TAG", "TEST_SEARCH_LEAF_IMAGE", "TEST_SEARCH_MERGE_IMAGE"} {
		must(t, v)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := newStage(t, engine, "terraform")
			s.example("scenarios/search", map[string]string{
				"engine": s.name(), "leaf_image": os.Getenv("TEST_SEARCH_LEAF_IMAGE"), "merge_image": os.Getenv("TEST_SEARCH_MERGE_IMAGE"),
				"images_repository": os.Getenv("PATTERN_IMAGES_REPOSITORY"), "images_tag": os.Getenv("PATTERN_IMAGES_TAG"),
			})
			with := func(variables ...string) {
				for i := 0; i < len(variables); i += 2 {
					s.setenv("TF_VAR_"+variables[i], variables[i+1])
				}
			}
			c := &searcher{s: s, client: http.Client{Timeout: 20 * time.Second}, golden: map[string]string{}}

			with("shards", "1", "replicas", "1")
			s.apply()
			eventually(t, 30*time.Second, func() bool { _, err := c.ask(queries[0]); return err == nil }, "the node's port is open: that takes a moment")
			empty := 0
			for _, q := range queries {
				got, err := c.ask(q)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, got.status, got.body)
				c.golden[q] = got.hits
				if got.hits == "[]" {
					empty++
				}
			}
			require.LessOrEqual(t, empty, 2, "the queries say something: %v", c.golden)

			with("shards", "8", "replicas", "2")
			c.under("from one shard to eight of two replicas", func() { s.apply() })
			c.same("eight shards, depth 2")
			tree := s.instance("search")["tree"].(map[string]any)
			assert.EqualValues(t, 2, tree["depth"])
			assert.Equal(t, []any{float64(1), float64(2), float64(8)}, tree["levels"])
			s.unchanged("after an apply")

			c.under("a replica of a leaf is killed", func() {
				s.signal(s.ofShard(8, 5)[:1], syscall.SIGKILL)
				<-time.After(4 * time.Second)
			})

			for _, require := range []string{"all", "best_effort"} {
				with("require", require)
				s.apply() // takes effect while the gatherers run: nothing is replaced
				gone := s.ofShard(8, 3)
				assert.Len(t, gone, 2)
				s.signal(gone, syscall.SIGSTOP)
				status := map[string]int{"all": http.StatusServiceUnavailable, "best_effort": http.StatusOK}[require]
				var got found
				named := assert.Eventually(t, func() bool {
					var err error
					got, err = c.ask("open file")
					return err == nil && got.status == status && len(got.coverage.Missing) == 1 && got.coverage.Missing[0].Shard == "3" &&
						got.coverage.Missing[0].Reason != "" && got.coverage.Answered == 7 && strings.Contains(got.body, `"shard":"3"`)
				}, time.Minute, 100*time.Millisecond, "%s: the answer should be %d and name the shard", require, status)
				t.Logf("%s, without a shard: %d %s", require, got.status, got.body)
				s.signal(gone, syscall.SIGCONT)
				back := assert.Eventually(t, func() bool {
					got, err := c.ask("open file")
					return err == nil && got.coverage.Complete
				}, time.Minute, 100*time.Millisecond, "the shard should be back")
				if !named || !back {
					t.FailNow()
				}
			}
			with("require", "all")

			with("replicas", "3")
			c.under("from two replicas to three", func() { s.apply() })
			with("replicas", "2", "shards", "5", "fan_out", "16")
			c.under("from eight shards to five, without parents", func() { s.apply() })
			c.same("five shards, depth 1")
			assert.EqualValues(t, 1, s.instance("search")["tree"].(map[string]any)["depth"])
			with("fan_out", "2")
			c.under("from depth 1 to depth 3", func() { s.apply() })
			c.same("five shards, depth 3")
			assert.EqualValues(t, 3, s.instance("search")["tree"].(map[string]any)["depth"])

			s.destroy()
			s.gone("search")
		})
	}
}
