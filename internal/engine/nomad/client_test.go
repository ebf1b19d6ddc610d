package nomad

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestWhatABusyClusterDidNotHearIsSaidAgain(t *testing.T) {
	for _, tc := range []struct {
		name, method string
		code         int
		text         string
		again        bool
	}{
		{"a read at the limit of connections", "GET", 429, "too many concurrent connections", true},
		{"a write at the limit of connections", "PUT", 429, "too many concurrent connections", true},
		{"a read without a leader", "GET", 500, "No cluster leader", true},
		{"a write without a leader", "PUT", 500, "rpc error: No cluster leader", true},
		{"a read behind a proxy that restarts", "GET", 502, "", true},
		{"a write behind a proxy that restarts", "PUT", 502, "", false},
		{"a server's own fault", "GET", 500, "nil pointer", false},
		{"no permission", "GET", 403, "Permission denied", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				if heard = append(heard, string(raw)+r.Header.Get("X-Nomad-Token")); len(heard) == 1 {
					http.Error(w, tc.text, tc.code)
				}
			}))
			defer s.Close()
			r, err := http.NewRequest(tc.method, s.URL, strings.NewReader("body "))
			require.NoError(t, err)
			resp, err := (&signed{next: http.DefaultTransport, config: Config{Token: "token"}}).RoundTrip(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			if tc.again {
				assert.Equal(t, 200, resp.StatusCode)
				assert.Equal(t, []string{"body token", "body token"}, heard)
				return
			}
			assert.Equal(t, tc.code, resp.StatusCode)
			assert.Len(t, heard, 1)
			raw, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, tc.text, strings.TrimSpace(string(raw)), "the answer is still there to be read")
		})
	}
}

func TestManyWaitsTakeTurns(t *testing.T) {
	e := New(Config{})
	e.waits.Store(10) // Terraform's parallelism
	assert.Equal(t, blockingTime, e.turn())
	e.waits.Store(30)
	assert.Less(t, e.turn(), blockingTime)
}

func TestARequestBearsWhatIsConfigured(t *testing.T) {
	for _, k := range []string{"NOMAD_REGION", "NOMAD_NAMESPACE", "NOMAD_HTTP_AUTH", "NOMAD_TOKEN", "NOMAD_CACERT", "NOMAD_CAPATH", "NOMAD_CLIENT_CERT", "NOMAD_CLIENT_KEY"} {
		t.Setenv(k, "")
	}
	var heard *http.Request
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard = r
		http.NotFound(w, r)
	})
	socket := filepath.Join(t.TempDir(), "nomad.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	over := &http.Server{Handler: handler}
	go func() { _ = over.Serve(listener) }()
	defer over.Close()
	tcp := httptest.NewServer(handler)
	defer tcp.Close()
	for _, address := range []string{"unix://" + socket, tcp.URL} {
		heard = nil
		e := New(Config{Address: address, Region: "eu", Namespace: "apps", Token: "secret", HTTPAuth: "me:pw", Headers: map[string]string{"X-Gate": "open"}, Version: "1.2.3"})
		_, err := e.Lookup(t.Context(), topology.Key{Pattern: "sidecar", Name: "web"})
		require.ErrorIs(t, err, engine.ErrNotFound, address)
		require.NotNil(t, heard)
		user, password, _ := heard.BasicAuth()
		assert.Equal(t, []string{"me", "pw", "secret", "open", "terraform-provider-pattern/1.2.3", "eu", "apps"}, []string{
			user, password, heard.Header.Get("X-Nomad-Token"), heard.Header.Get("X-Gate"), heard.UserAgent(), heard.URL.Query().Get("region"), heard.URL.Query().Get("namespace"),
		})
		assert.Equal(t, "/v1/var/nomad/jobs/web", heard.URL.Path)
	}
}
