package nomad

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestWithoutAnAddressThereIsNoRequest(t *testing.T) {
	t.Setenv("NOMAD_ADDR", "")
	e := New(Config{WrapTransport: func(http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("a request to %s", r.URL)
			return nil, http.ErrAbortHandler
		})
	}})
	ctx, top := t.Context(), minimal()
	_, observe := e.Observe(ctx, top)
	_, lookup := e.Lookup(ctx, top.Key())
	_, list := e.List(ctx, "", "sidecar")
	for name, err := range map[string]error{
		"apply": e.Apply(ctx, top, engine.ApplyOptions{}), "wait": e.Wait(ctx, top, nil), "delete": e.Delete(ctx, top.Key()),
		"observe": observe, "lookup": lookup, "list": list,
	} {
		var config *engine.ConfigError
		require.True(t, errors.As(err, &config), "%s: %v", name, err)
		assert.Equal(t, "address", config.Attribute, name)
		assert.Contains(t, config.Detail, "NOMAD_ADDR", name)
	}
	t.Setenv("NOMAD_ADDR", "http://nomad.invalid:4646")
	_, err := e.connect()
	assert.NoError(t, err, "a corrected environment is seen")
}

func TestAnAddressMustBeAURL(t *testing.T) {
	for _, address := range []string{"nomad:4646", "10.0.0.1:4646", "ftp://nomad", "http://", "::"} {
		_, err := New(Config{Address: address}).connect()
		var config *engine.ConfigError
		require.True(t, errors.As(err, &config), address)
		assert.Equal(t, "address", config.Attribute)
	}
}

func TestTheConfigurationWinsOverTheEnvironment(t *testing.T) {
	for k, v := range map[string]string{
		"NOMAD_ADDR": "http://env:4646", "NOMAD_REGION": "env", "NOMAD_NAMESPACE": "env", "NOMAD_TOKEN": "env", "NOMAD_CACERT": "env",
		"NOMAD_CLIENT_CERT": "env", "NOMAD_CLIENT_KEY": "env", "NOMAD_TLS_SERVER_NAME": "env", "NOMAD_SKIP_VERIFY": "true", "NOMAD_HTTP_AUTH": "env:pw",
	} {
		t.Setenv(k, v)
	}
	c := Config{}.withEnvironment()
	assert.Equal(t, Config{
		Address: "http://env:4646", Region: "env", Namespace: "env", CAFile: "env", CertFile: "env", KeyFile: "env",
		TLSServerName: "env", Insecure: true, HTTPAuth: "env:pw",
	}, c)
	token, err := c.token()
	require.NoError(t, err)
	assert.Equal(t, "env", token)

	given := Config{Address: "http://own:4646", Region: "own", Namespace: "own", Token: "own", CAPEM: "own", CertPEM: "own", KeyPEM: "own", TLSServerName: "own", Insecure: true, HTTPAuth: "own"}
	assert.Equal(t, given, given.withEnvironment())
	token, err = given.token()
	require.NoError(t, err)
	assert.Equal(t, "own", token)
	assert.Equal(t, "instance", given.namespace("instance"))
	assert.Equal(t, topology.Key{Namespace: "own", Name: "x"}, New(given).resolve(topology.Key{Name: "x"}))
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
