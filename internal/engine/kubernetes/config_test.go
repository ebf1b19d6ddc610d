package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// bare is an environment without anything that the configuration reads.
func bare(t *testing.T) {
	for _, name := range []string{
		"KUBE_CONFIG_PATH", "KUBE_CONFIG_PATHS", "KUBE_CTX", "KUBE_CTX_CLUSTER", "KUBE_CTX_AUTH_INFO", "KUBE_HOST", "KUBE_TOKEN", "KUBE_USER", "KUBE_PASSWORD",
		"KUBE_CLUSTER_CA_CERT_DATA", "KUBE_CLIENT_CERT_DATA", "KUBE_CLIENT_KEY_DATA", "KUBE_TLS_SERVER_NAME", "KUBE_PROXY_URL", "KUBE_NAMESPACE", "KUBE_INSECURE",
		"KUBE_IN_CLUSTER_CONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
	} {
		t.Setenv(name, "")
	}
}

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: blue
contexts:
- {name: blue, context: {cluster: blue, user: blue, namespace: shop}}
- {name: green, context: {cluster: green, user: green}}
clusters:
- {name: blue, cluster: {server: "https://blue.test"}}
- {name: green, cluster: {server: "https://green.test"}}
users:
- {name: blue, user: {token: blue}}
- {name: green, user: {token: green}}
`

func write(t *testing.T, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestConfigurationComesFromAttributesThenTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name                   string
		config                 func(file string) Config
		env                    map[string]string
		host, token, namespace string
	}{
		{"a kubeconfig", func(f string) Config { return Config{ConfigPath: f} }, nil, "https://blue.test", "blue", "shop"},
		{"a kubeconfig and a context", func(f string) Config { return Config{ConfigPath: f, Context: "green"} }, nil, "https://green.test", "green", "default"},
		{"a context of the environment", func(f string) Config { return Config{ConfigPath: f} }, map[string]string{"KUBE_CTX": "green"}, "https://green.test", "green", "default"},
		{"another user", func(f string) Config { return Config{ConfigPath: f, ContextAuthInfo: "green"} }, nil, "https://blue.test", "green", "shop"},
		{"another cluster", func(f string) Config { return Config{ConfigPath: f, ContextCluster: "green"} }, nil, "https://green.test", "blue", "shop"},
		{"a namespace before the context's", func(f string) Config { return Config{ConfigPath: f, Namespace: "other"} }, nil, "https://blue.test", "blue", "other"},
		{"a token before the kubeconfig's", func(f string) Config { return Config{ConfigPath: f, Token: "mine"} }, nil, "https://blue.test", "mine", "shop"},
		{"several kubeconfigs", func(f string) Config { return Config{ConfigPaths: []string{f, f}} }, nil, "https://blue.test", "blue", "shop"},
		{"a host", func(string) Config { return Config{Host: "https://red.test", Token: "red"} }, nil, "https://red.test", "red", "default"},
		{"a host without a scheme", func(string) Config { return Config{Host: "red.test:6443", Token: "red"} }, nil, "https://red.test:6443", "red", "default"},
		{"a host and a token of the environment", func(string) Config { return Config{} }, map[string]string{"KUBE_HOST": "https://red.test", "KUBE_TOKEN": "red"}, "https://red.test", "red", "default"},
		{"a host before a kubeconfig of the environment", func(string) Config { return Config{Host: "https://red.test", Token: "red"} }, map[string]string{"KUBE_CONFIG_PATH": "/nowhere"}, "https://red.test", "red", "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bare(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			e := New(c.config(write(t, "config", kubeconfig)))
			client, err := e.connect()
			require.NoError(t, err)
			assert.Equal(t, c.host, client.rest.Host)
			assert.Equal(t, c.token, client.rest.BearerToken)
			assert.Equal(t, c.namespace, client.namespace)
			assert.Equal(t, float32(-1), client.rest.QPS, "the client does not hold requests back")
			assert.Equal(t, "terraform-provider-pattern/dev", client.rest.UserAgent)
		})
	}
	t.Run("paths of the environment", func(t *testing.T) {
		bare(t)
		t.Setenv("KUBE_CONFIG_PATHS", write(t, "a", kubeconfig)+string(filepath.ListSeparator)+write(t, "b", kubeconfig))
		client, err := New(Config{}).connect()
		require.NoError(t, err)
		assert.Equal(t, "https://blue.test", client.rest.Host)
	})
}

func TestConfigurationFaultsNameTheirAttribute(t *testing.T) {
	for _, c := range []struct {
		name      string
		config    func(file string) Config
		attribute string
		says      []string
	}{
		{"nothing configured", func(string) Config { return Config{} }, "", []string{"config_path", "KUBE_CONFIG_PATH", "host", "KUBE_HOST", "There is no default cluster"}},
		{"only a token", func(string) Config { return Config{Token: "x"} }, "", []string{"not configured"}},
		{"a kubeconfig that is not there", func(string) Config { return Config{ConfigPath: "/nowhere/config"} }, "config_path", []string{"There is no file /nowhere/config"}},
		{"one of several that is not there", func(f string) Config { return Config{ConfigPaths: []string{f, "/nowhere/config"}} }, "config_paths", []string{"There is no file /nowhere/config"}},
		{"a kubeconfig that is none", func(f string) Config { _ = os.WriteFile(f, []byte("{"), 0o600); return Config{ConfigPath: f} }, "config_path", []string{"cannot be read"}},
		{"a context that is not there", func(f string) Config { return Config{ConfigPath: f, Context: "red"} }, "config_context", []string{`no context "red"`, "blue, green"}},
		{"a cluster that is not there", func(f string) Config { return Config{ConfigPath: f, ContextCluster: "red"} }, "config_context_cluster", []string{`no cluster "red"`, "blue, green"}},
		{"a user that is not there", func(f string) Config { return Config{ConfigPath: f, ContextAuthInfo: "red"} }, "config_context_auth_info", []string{`no user "red"`}},
		{"a kubeconfig without a context", func(f string) Config {
			_ = os.WriteFile(f, []byte("apiVersion: v1\nkind: Config\n"), 0o600)
			return Config{ConfigPath: f}
		}, "config_context", []string{"no current context"}},
		{"a host that is no URL", func(string) Config { return Config{Host: "https://"} }, "host", []string{"not a URL"}},
		{"credentials without TLS", func(string) Config { return Config{Host: "http://red.test", Token: "x"} }, "host", []string{"not sent without TLS"}},
		{"verification both off and on", func(string) Config {
			return Config{Host: "https://red.test", Insecure: true, ClusterCACertificate: "x"}
		}, "insecure", []string{"exclude each other"}},
		{"in a cluster, outside of any", func(string) Config { return Config{InCluster: true} }, "in_cluster", []string{"only inside a Pod"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bare(t)
			e := New(c.config(write(t, "config", kubeconfig)))
			_, err := e.Lookup(t.Context(), topology.Key{Pattern: "sidecar", Name: "web"})
			var config *engine.ConfigError
			require.ErrorAs(t, err, &config)
			assert.Equal(t, c.attribute, config.Attribute)
			for _, s := range c.says {
				assert.Contains(t, err.Error(), s)
			}
			assert.NotContains(t, err.Error(), "localhost")
		})
	}
}

func TestAnEngineIsMadeWithoutLookingAtItsConfiguration(t *testing.T) {
	bare(t)
	e := New(Config{ConfigPath: "/nowhere/config"})
	assert.Equal(t, "kubernetes", e.Name())
	assert.Empty(t, e.Check(minimal()))
}
