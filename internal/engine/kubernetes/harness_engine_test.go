//go:build engine

package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// TestMain lets more tests run at once than there are processors: they wait for the cluster most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		_ = flag.Set("test.parallel", "10")
	}
	os.Exit(m.Run())
}

// A stage is a namespace of a real cluster, and an engine that counts its requests.
type stage struct {
	*testing.T
	ctx       context.Context
	namespace string
	engine    *Engine
	client    *client
	requests  *counter
	image     string
}

// newStage needs KUBECONFIG, and REGISTRY with the demo image in it: see test/engines.
func newStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	for _, v := range []string{"KUBECONFIG", "REGISTRY"} {
		require.NotEmpty(t, os.Getenv(v), `run: eval "$(test/engines/engines.sh env)"`)
	}
	raw := make([]byte, 4)
	_, _ = rand.Read(raw)
	s := &stage{T: t, ctx: t.Context(), namespace: "tpp-" + hex.EncodeToString(raw), requests: &counter{}, image: demoImage(t)}
	s.engine = s.newEngine(s.requests)
	var err error
	s.client, err = s.newEngine(&counter{}).connect()
	require.NoError(t, err)
	namespaces := s.client.dynamic.Resource(gvr("v1", "namespaces"))
	_, err = namespaces.Create(s.ctx, &Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": s.namespace},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, namespaces.Delete(context.Background(), s.namespace, metav1.DeleteOptions{}))
	})
	return s
}

func (s *stage) newEngine(count *counter) *Engine {
	return New(Config{ConfigPath: os.Getenv("KUBECONFIG"), Namespace: s.namespace, Version: "test", WrapTransport: count.wrap})
}

var pushed sync.Mutex

// demoImage is in the registry of test/engines; it is pushed by the same means as in the smoke tests.
func demoImage(t *testing.T) string {
	t.Helper()
	pushed.Lock()
	defer pushed.Unlock()
	image := os.Getenv("REGISTRY") + "/engine-test/demo:1"
	if exec.Command("crane", "digest", image).Run() == nil {
		return image
	}
	crane, err := exec.LookPath("crane")
	require.NoError(t, err)
	layout := filepath.Join(filepath.Dir(crane), "build", "tools", "demo-image")
	out, err := exec.Command(crane, "push", layout, image).CombinedOutput()
	require.NoError(t, err, string(out))
	return image
}

// demo is a group of the demo image, ready in a second and gone in another.
func (s *stage) demo(replicas int) *topology.Topology {
	return &topology.Topology{
		Pattern: "sidecar", Name: "web", Spec: []byte(`{"name":"web"}`),
		Groups: []topology.Group{{
			Name: "main", Identity: topology.Interchangeable, Replicas: new(replicas),
			Containers:  []topology.Container{s.container("web", topology.Main, "serve", ":8080")},
			Services:    []topology.Service{{Name: "web", Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}},
			Termination: topology.Termination{GraceSeconds: 1}, Update: topology.Update{ProgressSeconds: 60},
		}},
	}
}

func (s *stage) container(name string, role topology.Role, args ...string) topology.Container {
	c := topology.Container{
		Name: name, Role: role, Image: s.image, Args: args,
		Security:  topology.Security{User: new(int64(65532))},
		Resources: topology.Resources{Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 8 << 20}},
	}
	if args[0] == "serve" {
		c.Ports = []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}}
		c.Probes.Readiness = &topology.Probe{HTTP: &topology.HTTPAction{Port: "http", Path: "/"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 3}
	}
	return c
}

func (s *stage) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.ctx, d)
	s.Cleanup(cancel)
	return ctx
}

// up applies and waits.
func (s *stage) up(t *topology.Topology) {
	s.Helper()
	require.NoError(s, s.engine.Apply(s.within(30*time.Second), t, engine.ApplyOptions{Create: true}))
	require.NoError(s, s.wait(t, time.Minute))
}

func (s *stage) wait(t *topology.Topology, d time.Duration) error {
	return s.engine.Wait(s.within(d), t, func(line string) { s.Log(line) })
}

// notReady is how the wait for a topology ends that must not become ready: long before its time is up.
func (s *stage) notReady(t *topology.Topology) *engine.NotReadyError {
	s.Helper()
	require.NoError(s, s.engine.Apply(s.within(30*time.Second), t, engine.ApplyOptions{}))
	err := s.wait(t, 3*time.Minute)
	var not *engine.NotReadyError
	require.ErrorAs(s, err, &not)
	s.Log(err)
	return not
}

func (s *stage) observe(t *topology.Topology) *engine.Observation {
	s.Helper()
	o, err := s.engine.Observe(s.ctx, t)
	require.NoError(s, err)
	return o
}

func (s *stage) kubectl(args ...string) string {
	s.Helper()
	out, err := s.tryKubectl("", args...)
	require.NoError(s, err, out)
	return out
}

func (s *stage) tryKubectl(input string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.ctx, "kubectl", append([]string{"-n", s.namespace}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// permitted waits until a service account may do something: the authorizer hears of roles and bindings by watches of its own.
func (s *stage) permitted(account string, what ...string) {
	s.Helper()
	require.Eventually(s, func() bool {
		out, _ := s.tryKubectl("", append([]string{"auth", "can-i", "--as=system:serviceaccount:" + s.namespace + ":" + account}, what...)...)
		return strings.HasSuffix(strings.TrimSpace(out), "yes")
	}, time.Minute, 100*time.Millisecond, account)
}

func (s *stage) live(apiVersion, kind, name string) *unstructured.Unstructured {
	s.Helper()
	o := &Object{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(s.namespace)
	o.SetName(name)
	live, err := s.client.get(s.ctx, o)
	require.NoError(s, err)
	return live
}

// A counter counts requests, watches aside.
type counter struct {
	n   atomic.Int64
	mu  sync.Mutex
	log []string
}

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("watch") == "" {
			c.n.Add(1)
			c.mu.Lock()
			c.log = append(c.log, r.Method+" "+r.URL.Path)
			c.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

// during tells how many requests something makes.
func (c *counter) during(f func()) int {
	before := c.n.Load()
	f()
	return int(c.n.Load() - before)
}

type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
