//go:build engine

package nomad

import (
	"errors"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// overTLS puts the real Nomad behind a certificate of which nobody knows the CA.
func overTLS(t *testing.T) *httptest.Server {
	to, err := url.Parse(os.Getenv("NOMAD_ADDR"))
	require.NoError(t, err)
	s := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to))
	t.Cleanup(s.Close)
	return s
}

func TestEachFaultOfTheConfigurationHasItsOwnMessage(t *testing.T) {
	tls := overTLS(t)
	nomad, err := url.Parse(os.Getenv("NOMAD_ADDR"))
	require.NoError(t, err)
	nowhere := filepath.Join(t.TempDir(), "not-there")
	for _, tc := range []struct {
		name      string
		config    Config
		attribute string
		detail    string
	}{
		{"a closed port", Config{Address: "http://" + nomad.Hostname() + ":1"}, "address", "refused"},
		{"a name that nobody knows", Config{Address: "http://nomad.invalid:4646"}, "address", "no answer"},
		{"HTTPS to a server of HTTP", Config{Address: "https://" + nomad.Host}, "address", "http://"},
		{"HTTP to a server of HTTPS", Config{Address: "http://" + tls.Listener.Addr().String()}, "address", "https://"},
		{"an unknown CA", Config{Address: tls.URL}, "ca_file", "NOMAD_CACERT"},
		{"a token that does not exist", Config{Token: "4b0b1b1e-0000-4000-8000-000000000000"}, "token", "NOMAD_TOKEN"},
		{"a token that is none", Config{Token: "nonsense"}, "token", "NOMAD_TOKEN"},
		{"a token file that is not there", Config{TokenFile: nowhere}, "token_file", "not-there"},
		{"a CA file that is not there", Config{Address: tls.URL, CAFile: nowhere}, "ca_file", "not-there"},
		{"a certificate without a key", Config{Address: tls.URL, CertPEM: "x"}, "cert_pem", "key"},
		{"an unknown region", Config{Region: "mars"}, "region", "mars"},
		{"an unknown namespace", Config{Namespace: "nowhere"}, "namespace", "nowhere"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			top := r.serving()
			err := New(tc.config).Apply(within(t, 30), top, engine.ApplyOptions{Create: true})
			t.Log(err)
			var config *engine.ConfigError
			require.True(t, errors.As(err, &config), "%v", err)
			assert.Equal(t, tc.attribute, config.Attribute)
			assert.Contains(t, config.Detail, tc.detail)
		})
	}
	t.Run("no token", func(t *testing.T) {
		t.Setenv("NOMAD_TOKEN", "")
		_, err := New(Config{}).Observe(within(t, 30), &topology.Topology{Pattern: "sidecar", Name: "x"})
		var config *engine.ConfigError
		require.True(t, errors.As(err, &config), "%v", err)
		assert.Equal(t, "token", config.Attribute)
		assert.Contains(t, config.Summary, "wants a token")
	})
	t.Run("with the right CA it works", func(t *testing.T) {
		pem := certificate(tls)
		_, err := New(Config{Address: tls.URL, CAPEM: pem}).Lookup(within(t, 30), topology.Key{Pattern: "sidecar", Name: "x"})
		assert.ErrorIs(t, err, engine.ErrNotFound)
	})
}

func TestATokenFileIsReadAgainForEachRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("4b0b1b1e-0000-4000-8000-000000000000\n"), 0o600))
	e := New(Config{TokenFile: path})
	key := topology.Key{Pattern: "sidecar", Name: "x"}
	_, err := e.Lookup(within(t, 30), key)
	var config *engine.ConfigError
	require.True(t, errors.As(err, &config), "%v", err)
	require.NoError(t, os.WriteFile(path, []byte(os.Getenv("NOMAD_TOKEN")+"\n"), 0o600))
	_, err = e.Lookup(within(t, 30), key)
	assert.ErrorIs(t, err, engine.ErrNotFound)
}

func TestATokenWithoutTheRightIsDenied(t *testing.T) {
	r := newRig(t)
	top := r.serving()
	token, _, err := r.client.ACLTokens().Create(&api.ACLToken{Name: top.Name, Type: "client", Policies: []string{"no-such-policy"}}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.client.ACLTokens().Delete(token.AccessorID, nil) })
	err = New(Config{Token: token.SecretID}).Apply(within(t, 30), top, engine.ApplyOptions{Create: true})
	var config *engine.ConfigError
	require.True(t, errors.As(err, &config), "%v", err)
	assert.Equal(t, "token", config.Attribute)
	assert.Contains(t, config.Summary, "denies permission")
}
