package nomad

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// pair of a self-signed certificate and its key, as PEM.
func pair(t *testing.T, name string) (cert, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	raw, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}

// asking is a server that wants a client certificate, and tells the names that it has seen.
func asking(t *testing.T) (url, ca string, seen func() []string) {
	var names []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names = append(names, r.TLS.PeerCertificates[0].Subject.CommonName)
		http.NotFound(w, r)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return s.URL, ca, func() []string { return names }
}

func TestAClientCertificateIsReadAgainForEachConnection(t *testing.T) {
	url, ca, seen := asking(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	e := New(Config{Address: url, CAPEM: ca, CertFile: certFile, KeyFile: keyFile})
	for _, name := range []string{"first", "second"} {
		cert, key := pair(t, name)
		require.NoError(t, os.WriteFile(certFile, cert, 0o600))
		require.NoError(t, os.WriteFile(keyFile, key, 0o600))
		_, err := e.Lookup(t.Context(), topology.Key{Pattern: "sidecar", Name: "x"})
		require.ErrorIs(t, err, engine.ErrNotFound)
		e.transport.CloseIdleConnections()
	}
	assert.Equal(t, []string{"first", "second"}, seen())
}

func TestEachFaultOfTLSHasItsAttribute(t *testing.T) {
	url, ca, _ := asking(t)
	for _, tc := range []struct {
		name      string
		config    Config
		attribute string
	}{
		{"no client certificate", Config{Address: url, CAPEM: ca}, "cert_file"},
		{"a CA that did not sign", Config{Address: url, CAPEM: func() string { c, _ := pair(t, "other"); return string(c) }()}, "ca_pem"},
		{"no CA", Config{Address: url}, "ca_file"},
		{"another name", Config{Address: url, CAPEM: ca, TLSServerName: "nomad.invalid"}, "tls_server_name"},
		{"a CA that is none", Config{Address: url, CAPEM: "x"}, "ca_pem"},
		{"a key that is none", Config{Address: url, CAPEM: ca, CertPEM: "x", KeyPEM: "x"}, "cert_pem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.config).Lookup(t.Context(), topology.Key{Pattern: "sidecar", Name: "x"})
			var config *engine.ConfigError
			require.True(t, errors.As(err, &config), "%v", err)
			assert.Equal(t, tc.attribute, config.Attribute, config.Detail)
		})
	}
}
