//go:build engine

package nomad

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// The tests want NOMAD_ADDR, NOMAD_TOKEN and REGISTRY, as test/engines prints them.
func TestMain(m *testing.M) {
	for _, v := range []string{"NOMAD_ADDR", "NOMAD_TOKEN", "REGISTRY"} {
		if os.Getenv(v) == "" {
			fmt.Fprintln(os.Stderr, v, `is not set: run test/engines/engines.sh up nomad, and eval "$(test/engines/engines.sh env)"`)
			os.Exit(1)
		}
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // the tests mostly wait
		_ = f.Value.Set("6")
	}
	os.Exit(m.Run())
}

// image of testdata/prog, by digest.
var image = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "prog")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "prog")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./testdata/prog")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "prog", Mode: 0o755, Size: int64(len(data))}); err != nil {
		return "", err
	}
	if _, err := w.Write(data); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return "", err
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return "", err
	}
	if img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/prog"}, Cmd: []string{"sleep"}, User: "65532:65532"}); err != nil {
		return "", err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return "", err
	}
	file.OS, file.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return "", err
	}
	digest, err := img.Digest()
	if err != nil {
		return "", err
	}
	ref, err := name.ParseReference(os.Getenv("REGISTRY") + "/nomad-engine-test/prog:1")
	if err != nil {
		return "", err
	}
	return ref.Context().Digest(digest.String()).String(), remote.Write(ref, img)
})

// counter counts requests at the transport, blocking queries apart.
type counter struct {
	mu              sync.Mutex
	plain, blocking int
	lines           []string
	next            http.RoundTripper
}

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper { c.next = next; return c }

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if r.URL.Query().Has("index") {
		c.blocking++
	} else {
		c.plain++
		c.lines = append(c.lines, r.Method+" "+r.URL.Path)
	}
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

// close gives the connections back, of which Nomad allows a hundred from one address.
func (c *counter) close() { c.next.(*http.Transport).CloseIdleConnections() }

// take returns the plain requests since the last call.
func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.lines
	c.lines, c.plain, c.blocking = nil, 0, 0
	return out
}

// rig is one test's instance on the engine. It deletes it at the end, and looks that nothing remains.
type rig struct {
	*testing.T
	engine   *Engine
	requests *counter
	client   *api.Client
	image    string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	img, err := image()
	require.NoError(t, err)
	c := &counter{}
	e := New(Config{WrapTransport: c.wrap})
	client, err := e.connect()
	require.NoError(t, err)
	t.Cleanup(c.close)
	return &rig{T: t, engine: e, requests: c, client: client, image: img}
}

// name of an instance, unique among the tests that run at once.
func (r *rig) name() string {
	n := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(strings.TrimPrefix(r.Name(), "Test")))
	if len(n) > 30 {
		n = n[:30]
	}
	return fmt.Sprintf("%s-%x", strings.Trim(n, "-"), time.Now().UnixNano()&0xfffff)
}

// within gives a context of so many seconds.
func within(t testing.TB, seconds int) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// serving is an instance whose main serves on 8080.
func (r *rig) serving() *topology.Topology {
	t := &topology.Topology{
		Pattern: "sidecar", Name: r.name(), Spec: json.RawMessage(`{"name":"x"}`),
		Groups: []topology.Group{{
			Name: "main", Identity: topology.Interchangeable, Replicas: new(1),
			Containers:  []topology.Container{r.main()},
			Services:    []topology.Service{},
			Termination: topology.Termination{GraceSeconds: 5},
			Update:      topology.Update{ProgressSeconds: 60},
		}},
	}
	t.Groups[0].Services = []topology.Service{{Name: t.Name, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
	r.cleanup(t)
	return t
}

func (r *rig) main() topology.Container {
	return topology.Container{
		Name: "main", Role: topology.Main, Image: r.image, Args: []string{"serve", ":8080"},
		Env:       []topology.Env{{Name: "NAME", Value: "main"}},
		Ports:     []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}},
		Resources: topology.Resources{Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 32 << 20}},
		Probes:    topology.Probes{Readiness: &topology.Probe{HTTP: &topology.HTTPAction{Port: "http", Path: "/"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 3}},
	}
}

func (r *rig) companion(name string) topology.Container {
	return topology.Container{
		Name: name, Role: topology.Companion, Image: r.image, Args: []string{"sleep"},
		Env:       []topology.Env{{Name: "NAME", Value: name}},
		Resources: topology.Resources{Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 16 << 20}},
	}
}

func (r *rig) cleanup(t *topology.Topology) {
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		require.NoError(r, r.engine.Delete(ctx, t.Key()))
		_, _, err := r.client.Jobs().Info(t.Name, nil)
		assert.Equal(r, 404, status(err), "the job is gone")
		list, _, err := r.client.Variables().PrefixList(variablePath(t.Name), nil)
		require.NoError(r, err)
		assert.Empty(r, list, "the variables are gone")
	})
}

// up applies and waits.
func (r *rig) up(t *topology.Topology) {
	r.Helper()
	require.NoError(r, r.engine.Apply(within(r, 60), t, engine.ApplyOptions{Create: true}))
	require.NoError(r, r.engine.Wait(within(r, 90), t, func(s string) { r.Log(s) }))
}

func (r *rig) observe(t *topology.Topology) *engine.Observation {
	r.Helper()
	o, err := r.engine.Observe(within(r, 30), t)
	require.NoError(r, err)
	return o
}

// purge a job, as somebody else would, when nothing of it is in flight: see Delete.
func (r *rig) purge(job string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	k := topology.Key{Namespace: "default", Name: job}
	require.NoError(r, r.engine.waitIdle(ctx, k))
	require.NoError(r, r.engine.deregister(ctx, k, false))
	require.NoError(r, r.engine.waitGone(ctx, k))
	require.NoError(r, r.engine.waitIdle(ctx, k))
	require.NoError(r, r.engine.deregister(ctx, k, true))
}

// allocs that should run.
func (r *rig) allocs(t *topology.Topology) (out []*api.AllocationListStub) {
	r.Helper()
	list, _, err := r.client.Jobs().Allocations(t.Name, true, nil)
	require.NoError(r, err)
	for _, a := range list {
		if a.DesiredStatus == "run" {
			out = append(out, a)
		}
	}
	return out
}

func (r *rig) get(endpoint, path string, query url.Values) (string, error) {
	c := &http.Client{Timeout: 5 * time.Second}
	resp, err := c.Get("http://" + endpoint + path + "?" + query.Encode())
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", resp.Status, raw)
	}
	return string(raw), err
}

// ask main of the only replica.
func (r *rig) ask(t *topology.Topology, path string, pairs ...string) string {
	r.Helper()
	at := r.observe(t).Endpoints["http"]
	require.NotEmpty(r, at)
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	out, err := r.get(at[0], path, q)
	require.NoError(r, err)
	return out
}

func (r *rig) eventually(seconds int, ok func() bool, what string) {
	r.Helper()
	require.Eventually(r, ok, time.Duration(seconds)*time.Second, 100*time.Millisecond, what)
}

// journal of a replica's shared folder, also after it has ended.
func (r *rig) journal(alloc string) []string {
	body, err := r.client.Raw().Response("/v1/client/fs/cat/"+alloc+"?path=alloc/data/journal", nil)
	if err != nil {
		return nil
	}
	defer body.Close()
	raw, _ := io.ReadAll(body)
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

func values(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

func (r *rig) askAt(endpoint, path string, pairs ...string) string {
	r.Helper()
	out, err := r.get(endpoint, path, values(pairs...))
	require.NoError(r, err)
	return out
}

func address0(host string, port int) string { return fmt.Sprintf("%s:%d", host, port) }

// certificate of a test server, as PEM.
func certificate(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
