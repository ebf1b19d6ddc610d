//go:build engine

package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// authority makes a CA, and a client certificate of it.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}}
	return a
}

func (a *authority) pem(t *testing.T) string {
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (a *authority) client(t *testing.T, until time.Time) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "somebody"}, NotBefore: until.Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	require.NoError(t, err)
	raw, err := x509.MarshalECPrivateKey(k)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}

func TestEngineSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	file, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	require.NoError(t, err)
	cluster := file.Clusters[file.Contexts[file.CurrentContext].Cluster]
	host, ca := cluster.Server, string(cluster.CertificateAuthorityData)
	if ca == "" {
		raw, err := os.ReadFile(cluster.CertificateAuthority)
		require.NoError(t, err)
		ca = string(raw)
	}
	other := newAuthority(t)
	expiredCert, expiredKey := other.client(t, time.Now().Add(-time.Minute))
	foreignCert, foreignKey := other.client(t, time.Now().Add(time.Hour))
	plugin := filepath.Join(t.TempDir(), "plugin")
	require.NoError(t, os.WriteFile(plugin, []byte("#!/bin/sh\necho no such user >&2\nexit 1\n"), 0o755))

	for _, c := range []struct {
		name      string
		config    Config
		attribute string
		summary   string
	}{
		{"a wrong token", Config{Host: host, ClusterCACertificate: ca, Token: "nonsense"}, "token", "does not accept the credentials"},
		{"no credentials", Config{Host: host, ClusterCACertificate: ca}, "token", "do not permit this"},
		{"a foreign client certificate", Config{Host: host, ClusterCACertificate: ca, ClientCertificate: foreignCert, ClientKey: foreignKey}, "client_certificate", "does not accept the credentials"},
		{"an expired client certificate", Config{Host: host, ClusterCACertificate: ca, ClientCertificate: expiredCert, ClientKey: expiredKey}, "client_certificate", "has expired"},
		{"a wrong CA", Config{Host: host, ClusterCACertificate: other.pem(t), Token: "x"}, "cluster_ca_certificate", "unknown authority"},
		{"no CA", Config{Host: host, Token: "x"}, "cluster_ca_certificate", "unknown authority"},
		{"a CA that is no PEM", Config{Host: host, ClusterCACertificate: "nonsense", Token: "x"}, "cluster_ca_certificate", "not in PEM"},
		{"another name", Config{Host: host, ClusterCACertificate: ca, TLSServerName: "elsewhere.test", Token: "x"}, "tls_server_name", "for another name"},
		{"nobody listens", Config{Host: "https://127.0.0.1:1", Token: "x"}, "host", "cannot be reached"},
		{"no such host", Config{Host: "https://nowhere.invalid:6443", Token: "x"}, "host", "cannot be reached"},
		{"a proxy where nobody listens", Config{Host: host, ClusterCACertificate: ca, Token: "x", ProxyURL: "http://127.0.0.1:1"}, "proxy_url", "proxy cannot be reached"},
		{"a plugin that fails", Config{Host: host, ClusterCACertificate: ca, Exec: &Exec{APIVersion: "client.authentication.k8s.io/v1", Command: plugin}}, "exec", "credential plugin failed"},
		{"a plugin that is not there", Config{Host: host, ClusterCACertificate: ca, Exec: &Exec{APIVersion: "client.authentication.k8s.io/v1", Command: "/nowhere"}}, "exec", "credential plugin failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := topology.Key{Pattern: "sidecar", Namespace: "default", Name: "web"}
			_, err := New(c.config).Lookup(t.Context(), key)
			var config *engine.ConfigError
			require.ErrorAs(t, err, &config)
			assert.Equal(t, c.attribute, config.Attribute)
			assert.Contains(t, config.Summary, c.summary)
			assert.NotContains(t, err.Error(), "localhost:", "there is no fallback")
			t.Log(err)
		})
	}
}

func TestEngineAsksAgainForCredentialsThatHaveExpired(t *testing.T) {
	s := newStage(t)
	s.kubectl("create", "serviceaccount", "deployer")
	s.kubectl("create", "rolebinding", "deployer", "--clusterrole=edit", "--serviceaccount="+s.namespace+":deployer")
	s.permitted("deployer", "get", "configmaps")
	file, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	require.NoError(t, err)
	cluster := file.Clusters[file.Contexts[file.CurrentContext].Cluster]
	ca := cluster.CertificateAuthorityData
	if len(ca) == 0 {
		ca, err = os.ReadFile(cluster.CertificateAuthority)
		require.NoError(t, err)
	}
	// The plugin's first token has expired by the time that it is used; the second is good.
	dir := t.TempDir()
	plugin, token, runs := filepath.Join(dir, "plugin"), filepath.Join(dir, "token"), filepath.Join(dir, "runs")
	require.NoError(t, os.WriteFile(plugin, []byte(`#!/bin/sh
token=expired
[ ! -e "$RUNS" ] || token=$(cat "$TOKEN")
echo >>"$RUNS"
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$token"
`), 0o755))
	require.NoError(t, os.WriteFile(token, []byte(s.kubectl("create", "token", "deployer")), 0o600))
	e := New(Config{
		Host: cluster.Server, ClusterCACertificate: string(ca), Namespace: s.namespace,
		Exec: &Exec{APIVersion: "client.authentication.k8s.io/v1", Command: plugin, Env: map[string]string{"TOKEN": token, "RUNS": runs}},
	})
	_, err = e.Lookup(s.ctx, topology.Key{Pattern: "sidecar", Namespace: s.namespace, Name: "web"})
	require.ErrorIs(t, err, engine.ErrNotFound)
	raw, err := os.ReadFile(runs)
	require.NoError(t, err)
	assert.Equal(t, "\n\n", string(raw), "it ran twice")
}
