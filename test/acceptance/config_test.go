//go:build acceptance

package acceptance

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

func TestPromise01APlanIsPureTranslation(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(demo())
		r := s.plan()
		require.Equal(s, "create", r.Changes["pattern_sidecar.web"])
		assert.Empty(s, s.proxy.take(), "no request for the plan of a new instance")

		// A provider whose configuration another resource of the same apply makes.
		address := map[string]string{"kubernetes": "host", "nomad": "address"}[s.name()]
		unknown := with(s.provider(), object{s.name() + "." + address: "${terraform_data.cluster.output}"})
		s.write(unknown, object{"resource": object{
			"terraform_data":  object{"cluster": object{"input": s.proxy.URL}},
			"pattern_sidecar": object{"web": demo()},
		}})
		require.Equal(s, "create", s.plan().Changes["pattern_sidecar.web"])
		require.Equal(s, "create", s.apply().Changes["pattern_sidecar.web"], "at apply it is known")
		s.unchanged("after the apply")
		s.destroy()
	})
}

func TestPromise02ItNeverFallsBackToLocalhost(t *testing.T) {
	visited := make(chan string, 10)
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:6443", "127.0.0.1:443", "127.0.0.1:4646"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s is not watched: %v", address, err)
			continue
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conn.Close()
				visited <- address
			}
		}()
	}
	for _, c := range []struct {
		engine  string
		summary string
		names   []string
	}{
		{"kubernetes", "The Kubernetes engine is not configured", []string{"KUBE_CONFIG_PATH", "KUBE_HOST", "config_path", "host"}},
		{"nomad", "Nomad's address is not configured", []string{"NOMAD_ADDR", "nomad.address"}},
	} {
		t.Run(c.engine, func(t *testing.T) {
			w := newWorkspace(t, "terraform")
			w.setenv("HOME", t.TempDir())
			w.write(object{c.engine: object{}}, object{"resource": object{"pattern_sidecar": object{"web": demo()}}})
			require.Equal(t, "create", w.plan().Changes["pattern_sidecar.web"], "a plan needs no cluster")
			said := w.failApply().errors()
			assert.Contains(t, said, c.summary)
			for _, name := range c.names {
				assert.Contains(t, said, name)
			}
		})
	}
	select {
	case address := <-visited:
		t.Errorf("somebody has connected to %s", address)
	default:
	}
}

func TestEachWayOfNotReachingAnEngineHasItsOwnError(t *testing.T) {
	t.Parallel()
	plain := newTLS(t, http.NotFoundHandler())
	for _, c := range []struct {
		name     string
		engine   string // that must be up
		provider object
		said     []string
	}{
		{
			name: "no engine is configured", provider: object{},
			said: []string{"no engine is configured", "kubernetes = { ... }", "nomad = { ... }"},
		},
		{
			name: "two engines are configured", provider: object{"kubernetes": object{}, "nomad": object{}},
			said: []string{"two engines are configured"},
		},
		{
			name: "a Kubernetes host that nobody listens at", provider: object{"kubernetes": object{"host": "https://127.0.0.1:1"}},
			said: []string{"The Kubernetes API cannot be reached", "kubernetes.host", "127.0.0.1:1"},
		},
		{
			name: "a kubeconfig that is not there", provider: object{"kubernetes": object{"config_path": "/nowhere/config"}},
			said: []string{"The kubeconfig file does not exist", "kubernetes.config_path", "/nowhere/config"},
		},
		{
			name: "a Kubernetes context that is not there", engine: "kubernetes",
			provider: object{"kubernetes": object{"config_path": os.Getenv("KUBECONFIG"), "config_context": "elsewhere"}},
			said:     []string{`has no context "elsewhere"`, "kubernetes.config_context"},
		},
		{
			name: "a Kubernetes token that is wrong", engine: "kubernetes", provider: object{"kubernetes": kubeBy(t, "token", "wrong")},
			said: []string{"does not accept the credentials", "kubernetes.token", "401"},
		},
		{
			name: "a Kubernetes CA that is not the cluster's", engine: "kubernetes", provider: object{"kubernetes": kubeBy(t, "cluster_ca_certificate", plain.ca)},
			said: []string{"signed by an unknown authority", "kubernetes.cluster_ca_certificate"},
		},
		{
			name: "a Nomad address that nobody listens at", provider: object{"nomad": object{"address": "http://127.0.0.1:1"}},
			said: []string{"Nomad cannot be reached", "nomad.address", "127.0.0.1:1"},
		},
		{
			name: "no Nomad token", engine: "nomad", provider: object{"nomad": object{"address": os.Getenv("NOMAD_ADDR")}},
			said: []string{"Nomad wants a token", "nomad.token", "NOMAD_TOKEN"},
		},
		{
			name: "a Nomad token that is wrong", engine: "nomad",
			provider: object{"nomad": object{"address": os.Getenv("NOMAD_ADDR"), "token": "12345678-1234-1234-1234-123456789abc"}},
			said:     []string{"Nomad does not know the token", "nomad.token"},
		},
		{
			name: "a Nomad CA that is not the cluster's", engine: "nomad", provider: object{"nomad": object{"address": plain.url}},
			said: []string{"unknown CA", "nomad.ca_file", "NOMAD_CACERT"},
		},
		{
			name: "a Nomad region that is not there", engine: "nomad",
			provider: object{"nomad": object{"address": os.Getenv("NOMAD_ADDR"), "token": os.Getenv("NOMAD_TOKEN"), "region": "atlantis"}},
			said:     []string{"atlantis", "nomad.region"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.engine != "" && !has(c.engine) {
				t.Skipf("ENGINE leaves %s out", c.engine)
			}
			w := newWorkspace(t, "terraform")
			w.write(c.provider, object{"resource": object{"pattern_sidecar": object{"web": demo()}}})
			r := w.failApply()
			for _, text := range c.said {
				assert.Contains(t, r.errors(), text)
			}
			assert.Less(t, r.Took, time.Minute)
		})
	}
}

func has(engine string) bool {
	for _, e := range engines {
		if e == engine {
			return true
		}
	}
	return false
}

// kubeBy is a configuration of the real Kubernetes by its host, with one attribute that is another.
func kubeBy(t *testing.T, attribute string, value any) object {
	if !has("kubernetes") {
		return nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	require.NoError(t, err)
	ca := config.CAData
	if len(ca) == 0 {
		ca, err = os.ReadFile(config.CAFile)
		require.NoError(t, err)
	}
	return with(object{"host": config.Host, "cluster_ca_certificate": string(ca)}, object{attribute: value})
}

// tlsServer is an HTTPS server with a certificate of its own.
type tlsServer struct{ url, ca string }

func newTLS(t *testing.T, handler http.Handler) tlsServer {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return tlsServer{url: "https://" + u.Host, ca: string(ca)}
}
