package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

const (
	within = 20 * time.Second
	tick   = 5 * time.Millisecond
)

var built = imagetest.Compile(".")

func TestMain(m *testing.M) { built.Main(m) }

// leaf is a developer's server: a real one, that does what the test wants.
type leaf struct {
	*httptest.Server
	mu       sync.Mutex
	do       http.HandlerFunc
	requests []*http.Request
	bodies   []string
	gone     int    // requests whose client left
	via      string // where it is reached, if not by itself
}

func newLeaf(t testing.TB, do http.HandlerFunc) *leaf {
	l := &leaf{do: do}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	l.Server.Config.Protocols = new(http.Protocols)
	l.Server.Config.Protocols.SetHTTP1(true)
	l.Server.Config.Protocols.SetUnencryptedHTTP2(true)
	l.Start()
	t.Cleanup(l.Close)
	return l
}

func (l *leaf) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	l.mu.Lock()
	do := l.do
	if r.URL.Path != "/probe" {
		l.requests, l.bodies = append(l.requests, r), append(l.bodies, string(body))
	}
	l.mu.Unlock()
	if err == nil {
		do(w, r)
	}
	if r.Context().Err() != nil {
		l.mu.Lock()
		l.gone++
		l.mu.Unlock()
	}
}

func (l *leaf) becomes(do http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.do = do
}

func (l *leaf) asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.requests)
}

func (l *leaf) address() string {
	if l.via != "" {
		return l.via
	}
	return l.Listener.Addr().String()
}

// says answers with JSON.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

func fails(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }
}

// slow answers after a while, unless nobody waits any more.
func slow(d time.Duration, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			then(w, r)
		case <-r.Context().Done():
		}
	}
}

// gatherer is the real program.
type gatherer struct {
	*imagetest.Process // of the last start

	t          testing.TB
	dir        string
	config     config.Config
	address    string
	management string
}

// newGatherer is the root of so many shards, each with these replicas. It is not started.
func newGatherer(t testing.TB, merge config.Merge, shards ...[]*leaf) *gatherer {
	t.Helper()
	g := &gatherer{t: t, dir: t.TempDir()}
	g.config = config.Config{Node: config.Node{Name: "root", Depth: 1}, Shards: len(shards), Merge: merge, Listen: "127.0.0.1:0"}
	g.config.Identity.Instance = "test"
	g.config.Management.Address = "127.0.0.1:0"
	for i, replicas := range shards {
		file := filepath.Join(g.dir, fmt.Sprint("shard-", i))
		g.endpoints(i, replicas...)
		g.config.Children = append(g.config.Children, config.Child{Name: fmt.Sprint("shard ", i), Shards: []int{i}, EndpointsFile: file, ProbePath: "/probe"})
	}
	return g
}

// endpoints of a shard, from now on.
func (g *gatherer) endpoints(shard int, replicas ...*leaf) {
	g.t.Helper()
	var lines []string
	for _, l := range replicas {
		lines = append(lines, l.address())
	}
	file := filepath.Join(g.dir, fmt.Sprint("shard-", shard))
	require.NoError(g.t, os.WriteFile(file+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	require.NoError(g.t, os.Rename(file+".new", file))
}

func (g *gatherer) write() string {
	g.t.Helper()
	raw, err := json.Marshal(g.config)
	require.NoError(g.t, err)
	file := filepath.Join(g.dir, "config.yaml")
	require.NoError(g.t, os.WriteFile(file, raw, 0o600))
	return file
}

// start it, and wait until it is ready.
func (g *gatherer) start() *gatherer {
	g.t.Helper()
	g.run()
	require.Eventually(g.t, func() bool {
		status, _ := g.manage("/health/ready")
		return status == http.StatusOK
	}, within, tick, "ready")
	return g
}

func (g *gatherer) run() {
	g.t.Helper()
	g.Process = imagetest.Start(g.t, exec.Command(filepath.Join(built.Folder(g.t), "gatherer"), "-config", g.write()))
	require.Eventually(g.t, func() bool {
		g.address, g.management = g.logged("serving", "address"), g.logged("starting", "management")
		return g.address != "" && g.management != ""
	}, within, tick, "serving")
}

// logged attribute of the newest line with a message.
func (g *gatherer) logged(message, attribute string) (found string) {
	for line := range strings.Lines(g.Said()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			found, _ = entry[attribute].(string)
		}
	}
	return found
}

func (g *gatherer) manage(path string) (int, string) {
	return imagetest.Get("http://" + g.management + path)
}

// metric is the value of a line of /metrics that begins so.
func (g *gatherer) metric(name string) string {
	_, body := g.manage("/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// answer of a request.
type answer struct {
	status   int
	header   http.Header
	trailer  http.Header
	body     string
	coverage contract.Coverage
	err      error
}

func (a answer) results() string {
	var e contract.Envelope[json.RawMessage]
	_ = json.Unmarshal([]byte(a.body), &e)
	return string(e.Results)
}

func (g *gatherer) get(path string) answer { return g.do(http.MethodGet, path, "") }

func (g *gatherer) do(method, path, body string, headers ...string) answer {
	request, err := http.NewRequest(method, "http://"+g.address+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, header: response.Header, trailer: response.Trailer, body: string(raw), err: err}
	a.coverage, _, _ = contract.ReadCoverage(response.Header.Get)
	return a
}

// connections of the process, by what the kernel says.
func (g *gatherer) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.PID()))
	require.NoError(g.t, err)
	return len(entries)
}

func one(l *leaf) []*leaf { return []*leaf{l} }

func all(list ...*leaf) []*leaf { return list }

var topK = config.Merge{TopK: &config.TopK{K: 3, By: "score", Then: "id"}}

func assertOK(t testing.TB, a answer) {
	t.Helper()
	if assert.NoError(t, a.err) {
		assert.Equal(t, http.StatusOK, a.status, a.body)
		assert.True(t, a.coverage.Complete, a.header)
	}
}

// newLeafAt listens where another one did.
func newLeafAt(t testing.TB, address string, do http.HandlerFunc) *leaf {
	t.Helper()
	var listener net.Listener
	require.Eventually(t, func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", address)
		return err == nil
	}, within, tick)
	l := &leaf{do: do}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	l.Listener.Close()
	l.Listener = listener
	l.Start()
	t.Cleanup(l.Close)
	return l
}
