//go:build acceptance

package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/fencing"
)

// A counter is the scenario's resource.mjs, and what lies before it: a network that remembers who has written what, and may hold a
// write up for as long as a test wants it to.
type counter struct {
	url  string // as containers reach it
	node string // resource.mjs itself

	order sync.Mutex // of writes
	mu    sync.Mutex
	all   []count
	late  *late
}

// late is the next write of somebody, which is held up.
type late struct {
	by, token string
	body      []byte
	sent      chan struct{} // closed when it was
}

// A count that was written, or refused.
type count struct {
	By     string `json:"by"`
	Count  int    `json:"count"`
	token  uint64
	status int
	at     time.Time
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	cmd := exec.Command("node", "../../examples/scenarios/single-writer/resource.mjs", t.TempDir(), "0")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start(), "node runs the resource of the scenario")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	host, _, err := net.SplitHostPort(must(t, "REGISTRY")) // where the engines reach this machine
	require.NoError(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	c := &counter{
		url:  "http://" + listener.Addr().String() + "/count",
		node: "http://127.0.0.1:" + strings.TrimSpace(strings.TrimPrefix(said, "listening on ")) + "/count",
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { server.Close() })
	return c
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	token := r.Header.Get(fencing.Header)
	if c.held(r.Method, token, body) {
		<-r.Context().Done() // until the writer has no more patience
		return
	}
	status, answer := c.do(r.Method, token, body)
	w.WriteHeader(status)
	_, _ = w.Write(answer) // who asked may have gone
}

// do it at the resource, and remember what was written.
func (c *counter) do(method, token string, body []byte) (status int, answer []byte) {
	c.order.Lock()
	defer c.order.Unlock()
	request, err := http.NewRequestWithContext(context.Background(), method, c.node, bytes.NewReader(body))
	if err != nil {
		return http.StatusInternalServerError, []byte(err.Error())
	}
	if token != "" {
		request.Header.Set(fencing.Header, token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return http.StatusBadGateway, []byte(err.Error())
	}
	defer response.Body.Close()
	answer, _ = io.ReadAll(response.Body)
	is := count{status: response.StatusCode, at: time.Now()}
	is.token, _ = strconv.ParseUint(token, 10, 64) // the resource has checked it
	if method == http.MethodPut && json.Unmarshal(body, &is) == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, is)
	}
	return response.StatusCode, answer
}

// hold up the next write of somebody.
func (c *counter) hold(by string) *late {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = &late{by: by, sent: make(chan struct{})}
	return c.late
}

func (c *counter) held(method, token string, body []byte) bool {
	var is count
	c.mu.Lock()
	defer c.mu.Unlock()
	if method != http.MethodPut || c.late == nil || json.Unmarshal(body, &is) != nil || is.By != c.late.by {
		return false
	}
	c.late.token, c.late.body = token, body
	close(c.late.sent)
	c.late = nil
	return true
}

// accepted writes, in order.
func (c *counter) accepted() (all []count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.all {
		if w.status == http.StatusNoContent {
			all = append(all, w)
		}
	}
	return all
}

// next waits for the write of somebody else, after a moment.
func (c *counter) next(s *stage, what, but string, begun time.Time) (w count) {
	s.Helper()
	eventually(s.T, time.Minute, func() bool {
		all := c.accepted()
		if len(all) == 0 {
			return false
		}
		w = all[len(all)-1]
		return w.By != but && w.at.After(begun)
	}, "%s: another one writes", what)
	return w
}

// scenario of the examples, with the modules that it takes, where they are beside it.
func (s *stage) scenario(name string, variables map[string]string) {
	s.Helper()
	require.NoError(s, os.CopyFS(filepath.Join(s.dir, "modules"), os.DirFS("../../modules")))
	s.dir = filepath.Join(s.dir, "examples", "scenarios", name)
	require.NoError(s, os.MkdirAll(s.dir, 0o700))
	s.example("scenarios/"+name, variables)
	s.raw("get")
}

// member is the replica that electors call so.
func (s *stage) member(instance, name string) replica {
	s.Helper()
	for _, r := range s.replicas(s.T, instance) {
		if r.ID == name || s.name() == "nomad" && strings.HasPrefix(instance+"-"+r.ID, name) {
			return r
		}
	}
	require.Fail(s, "the replica is gone", name)
	return replica{}
}

// end a replica in order: the engine replaces it.
func (s *stage) end(r replica) {
	s.Helper()
	if k, ok := s.cluster.(*kube); ok {
		k.do(s.T, http.MethodDelete, k.at("/api/v1 pods/%s", r.ID), nil, nil)
		return
	}
	n := s.cluster.(*nomad)
	_, err := n.client.Allocations().Stop(&api.Allocation{ID: r.ID, Namespace: n.namespace}, n.query)
	require.NoError(s, err)
}

// leads waits until whoever connects to the leader's service reaches this one, and it says so.
func (s *stage) leads(service, name string) {
	s.Helper()
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(s.T, 30*time.Second, func() bool {
		reached := s.reached(service)
		for _, address := range reached {
			var is struct {
				Name  string
				Leads bool
			}
			response, err := client.Get("http://" + address + "/")
			if err != nil {
				return false
			}
			err = json.NewDecoder(response.Body).Decode(&is)
			response.Body.Close()
			if err != nil || is.Name != name || !is.Leads {
				return false
			}
		}
		return len(reached) > 0
	}, "the service %s reaches %s", service, name)
}

// The scenario as it stands in the examples, and with it the module: one of three counts, whoever that is.
func TestASingleWriterCounts(t *testing.T) {
	image := must(t, "TEST_SEARCH_LEAF_IMAGE") // any with Python
	on(t, func(s *stage) {
		c := newCounter(s.T)
		s.scenario("single-writer", map[string]string{
			"engine": s.name(), "image": image, "resource": c.url,
			"images_repository": must(s.T, "PATTERN_IMAGES_REPOSITORY"), "images_tag": must(s.T, "PATTERN_IMAGES_TAG"),
		})
		s.apply()
		s.unchanged("after the first apply")
		var leader []string
		require.NoError(s, json.Unmarshal(s.raw("output", "-json", "leader"), &leader))
		require.NotEmpty(s, leader)
		first := c.next(s, "at first", "", time.Time{})
		s.leads("counter-writer", first.By)

		begun := time.Now()
		s.end(s.member("counter", first.By))
		second := c.next(s, "replaced", first.By, begun)
		gap := c.gap()
		s.Logf("replaced: %s writes, %s after the other was to end; nobody wrote for %s at most", second.By, second.at.Sub(begun).Round(time.Millisecond), gap.Round(time.Millisecond))
		s.leads("counter-writer", second.By)
		if gap < time.Second { // nobody, and nothing, was too slow to be waited for
			for i, w := range c.accepted() {
				require.Equal(s, i+1, w.Count, "who demotes a writer waits for its last write: %+v", w)
			}
		}

		// One write of a leader is still under way when that has been killed, and another one writes.
		held := c.hold(second.By)
		select {
		case <-held.sent:
		case <-time.After(30 * time.Second):
			require.Fail(s, "it should write")
		}
		begun = time.Now()
		s.signalGroup(s.member("counter", second.By), syscall.SIGKILL)
		third := c.next(s, "killed", second.By, begun)
		s.Logf("killed: %s writes after %s", third.By, third.at.Sub(begun).Round(time.Millisecond))
		status, answer := c.do(http.MethodPut, held.token, held.body)
		assert.Equal(s, http.StatusPreconditionFailed, status, "what comes from %s, now: %s", second.By, answer)
		s.leads("counter-writer", third.By)
		c.next(s, "afterwards", second.By, time.Now())

		assert.Greater(s, second.token, first.token)
		assert.Greater(s, third.token, second.token)
		by, last := map[uint64]string{}, uint64(0)
		for _, w := range c.accepted() {
			require.GreaterOrEqual(s, w.token, last, "no token is smaller than one before")
			if by[w.token] == "" {
				by[w.token] = w.By
			}
			require.Equal(s, by[w.token], w.By, "one writes by one token")
			last = w.token
		}
		s.Logf("%d writes by %d leaders", len(c.accepted()), len(by))
		s.destroy()
		s.gone("counter")
	})
}

// gap is the longest time between two writes.
func (c *counter) gap() (longest time.Duration) {
	all := c.accepted()
	for i := range all[1:] {
		longest = max(longest, all[i+1].at.Sub(all[i].at))
	}
	return longest
}
