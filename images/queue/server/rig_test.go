package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/clock"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/metrics"
	pages "github.com/container-patterns/terraform-provider-pattern/images/queue/page"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/payload"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite"
)

const (
	clientToken = "client-token"
	workerToken = "worker-token"
)

// soon is how long a test waits for what must come.
const soon = 20 * time.Second

// A rig is a server with a real listener over the real embedded store.
type rig struct {
	t       testing.TB
	c       *config.Config
	s       *Server
	store   store.Store
	log     *syncBuffer
	url     string
	address string
	now     func() time.Time
	source  func(context.Context) (api.SourceStatus, error)
	sink    func(context.Context) (*api.SinkStatus, error)
	wrap    func(store.Store) store.Store
	// directory of the store.
	directory string
	client    *http.Client
	stop      func()
}

// one is a configuration of one stage, "work".
func one() *config.Config { return stages(map[string]config.Stage{"work": {}}) }

func stages(all map[string]config.Stage) *config.Config {
	return &config.Config{Stages: all}
}

func newRig(t testing.TB, c *config.Config, options ...func(*rig)) *rig {
	r := &rig{t: t, c: c, log: &syncBuffer{}, directory: t.TempDir()}
	queueTime := clock.New()
	r.now = queueTime.Now
	for _, o := range options {
		o(r)
	}
	tokens := t.TempDir()
	c.Tokens = config.Tokens{ClientFile: filepath.Join(tokens, "client"), WorkerFile: filepath.Join(tokens, "worker")}
	require.NoError(t, os.WriteFile(c.Tokens.ClientFile, []byte(clientToken+"\n"), 0o600))
	require.NoError(t, os.WriteFile(c.Tokens.WorkerFile, []byte(workerToken+"\n"), 0o600))
	c.Store.Embedded = &config.Embedded{Directory: r.directory}
	c.SetDefaults()
	require.NoError(t, c.Validate())
	var err error
	r.store, err = sqlite.Open(t.Context(), r.directory, store.Options{Now: r.now, DeduplicationWindow: c.DeduplicationWindow.Std})
	require.NoError(t, err)
	if r.wrap != nil {
		r.store = r.wrap(r.store)
	}
	blobs, err := bucket.Open(t.Context(), c.Payloads.URL)
	require.NoError(t, err)
	keeper := payload.New(payload.Options{
		Bucket: blobs, Now: r.now, Inline: func() int { return c.Payloads.InlineBytes },
		Source: func(context.Context, string) (io.ReadCloser, int64, error) { return nil, 0, bucket.ErrNotExist },
	})
	r.s, err = New(c, Options{
		Store: r.store, Payloads: keeper, Page: pages.Handler(), Log: slog.New(slog.NewJSONHandler(r.log, nil)), Now: r.now,
		Metrics: metrics.New(prometheus.NewRegistry(), r.store, r.now), Source: r.source, Sink: r.sink,
	})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = listener.Addr().String()
	r.url = "http://" + r.address
	front := HTTP(r.s)
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { r.s.Run(ctx) })
	tasks.Go(func() { _ = front.Serve(listener) })
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	r.client = &http.Client{Transport: transport}
	r.stop = sync.OnceFunc(func() {
		r.s.Drain()
		transport.CloseIdleConnections()
		ending, done := context.WithTimeout(context.Background(), soon)
		defer done()
		assert.NoError(t, front.Shutdown(ending), "requests end")
		cancel()
		tasks.Wait()
		assert.NoError(t, r.store.Close())
		assert.NoError(t, blobs.Close())
	})
	t.Cleanup(r.stop)
	return r
}

// An answer of the server.
type answered struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answered) code() string {
	var e api.Error
	_ = json.Unmarshal([]byte(a.body), &e)
	return e.Code
}

// ask with a token; body is a string, a reader, or what becomes JSON.
func (r *rig) ask(method, path, token string, body any) answered {
	var from io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		from = strings.NewReader(b)
	case io.Reader:
		from = b
	default:
		raw, err := json.Marshal(b)
		require.NoError(r.t, err)
		from = bytes.NewReader(raw)
	}
	q, err := http.NewRequest(method, r.url+path, from)
	require.NoError(r.t, err)
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := r.client.Do(q)
	if err != nil {
		return answered{err: err}
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(a.Body)
	return answered{a.StatusCode, a.Header, string(raw), err}
}

// must be answered with 200, into a value.
func (r *rig) must(method, path, token string, body, into any) {
	r.t.Helper()
	a := r.ask(method, path, token, body)
	require.NoError(r.t, a.err)
	require.Equal(r.t, http.StatusOK, a.status, a.body)
	if into != nil {
		require.NoError(r.t, json.Unmarshal([]byte(a.body), into), a.body)
	}
}

func (r *rig) push(items ...api.NewItem) []api.Enqueued {
	r.t.Helper()
	var out api.EnqueueAnswer
	r.must("POST", "/v1/items", clientToken, api.EnqueueRequest{Items: items}, &out)
	return out.Items
}

func (r *rig) receive(stage string, most int, wait string) []api.Lease {
	r.t.Helper()
	var out api.ReceiveAnswer
	r.must("POST", "/v1/stages/"+stage+"/receive", workerToken, api.ReceiveRequest{Worker: "w", Max: most, Wait: wait}, &out)
	return out.Leases
}

func (r *rig) ack(items ...api.Ack) []*api.Error {
	r.t.Helper()
	var out api.ResultsAnswer
	r.must("POST", "/v1/leases/ack", workerToken, api.AckRequest{Items: items}, &out)
	return out.Results
}

func (r *rig) nack(items ...api.Nack) []*api.Error {
	r.t.Helper()
	var out api.ResultsAnswer
	r.must("POST", "/v1/leases/nack", workerToken, api.NackRequest{Items: items}, &out)
	return out.Results
}

func (r *rig) item(stage, name string) (out api.ItemDetail) {
	r.t.Helper()
	r.must("GET", "/v1/stages/"+stage+"/items/"+name, clientToken, nil, &out)
	return out
}

func (r *rig) status() (out api.Status) {
	r.t.Helper()
	r.must("GET", "/v1/status", clientToken, nil, &out)
	return out
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
