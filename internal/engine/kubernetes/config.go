package kubernetes

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Config says how a cluster is reached: the attributes of the provider's `kubernetes = {...}`, whose names, in JSON as in
// HCL, are those of hashicorp/kubernetes. What is not set is read from the same environment variables (see WithEnvironment).
type Config struct {
	// ConfigPath of a kubeconfig file; ~ is the home directory.
	ConfigPath string `json:"config_path"`
	// ConfigPaths of several kubeconfig files that are merged.
	ConfigPaths []string `json:"config_paths"`
	// Context, ContextCluster and ContextAuthInfo choose within the kubeconfig.
	Context         string `json:"config_context"`
	ContextCluster  string `json:"config_context_cluster"`
	ContextAuthInfo string `json:"config_context_auth_info"`
	// Host is the URL of the API server.
	Host string `json:"host"`
	// Token of a service account or user.
	Token string `json:"token"`
	// Username and Password for basic authentication.
	Username string `json:"username"`
	Password string `json:"password"`
	// ClusterCACertificate, ClientCertificate and ClientKey in PEM.
	ClusterCACertificate string `json:"cluster_ca_certificate"`
	ClientCertificate    string `json:"client_certificate"`
	ClientKey            string `json:"client_key"`
	// Insecure does not verify the server's certificate.
	Insecure bool `json:"insecure"`
	// TLSServerName that the server's certificate must bear.
	TLSServerName string `json:"tls_server_name"`
	// ProxyURL for all requests.
	ProxyURL string `json:"proxy_url"`
	// Exec is a program that prints credentials; it is run again when they expire.
	Exec *Exec `json:"exec"`
	// InCluster uses the service account of the Pod that the provider runs in. It is also what happens
	// within a Pod when nothing else is set.
	InCluster bool `json:"in_cluster"`
	// Namespace of instances that name none; then the context's, then "default".
	Namespace string `json:"namespace"`

	// Version of the provider, for the user agent.
	Version string `json:"-"`
	// WrapTransport, if set, sees every request.
	WrapTransport func(http.RoundTripper) http.RoundTripper `json:"-"`
}

// Exec is a credential plugin.
type Exec struct {
	// APIVersion such as client.authentication.k8s.io/v1.
	APIVersion string `json:"api_version"`
	// Command and Args to run.
	Command string   `json:"command"`
	Args    []string `json:"args"`
	// Env is added to the provider's own environment.
	Env map[string]string `json:"env"`
}

// WithEnvironment is the configuration, completed from the environment variables of hashicorp/kubernetes. What belongs
// together stays together: a kubeconfig from the environment is of no account where a host or a path is set.
func (c Config) WithEnvironment() Config {
	if c.ConfigPath == "" && len(c.ConfigPaths) == 0 && c.Host == "" && !c.InCluster {
		c.ConfigPath = os.Getenv("KUBE_CONFIG_PATH")
		if paths := os.Getenv("KUBE_CONFIG_PATHS"); paths != "" {
			c.ConfigPath, c.ConfigPaths = "", filepath.SplitList(paths)
		}
	}
	for name, field := range map[string]*string{
		"KUBE_CTX":                  &c.Context,
		"KUBE_CTX_CLUSTER":          &c.ContextCluster,
		"KUBE_CTX_AUTH_INFO":        &c.ContextAuthInfo,
		"KUBE_HOST":                 &c.Host,
		"KUBE_TOKEN":                &c.Token,
		"KUBE_USER":                 &c.Username,
		"KUBE_PASSWORD":             &c.Password,
		"KUBE_CLUSTER_CA_CERT_DATA": &c.ClusterCACertificate,
		"KUBE_CLIENT_CERT_DATA":     &c.ClientCertificate,
		"KUBE_CLIENT_KEY_DATA":      &c.ClientKey,
		"KUBE_TLS_SERVER_NAME":      &c.TLSServerName,
		"KUBE_PROXY_URL":            &c.ProxyURL,
		"KUBE_NAMESPACE":            &c.Namespace,
	} {
		if *field == "" {
			*field = os.Getenv(name)
		}
	}
	c.Insecure = c.Insecure || truth("KUBE_INSECURE")
	c.InCluster = c.InCluster || truth("KUBE_IN_CLUSTER_CONFIG")
	return c
}

func truth(variable string) bool {
	b, err := strconv.ParseBool(os.Getenv(variable))
	return err == nil && b
}

// paths of the kubeconfig files, with ~ resolved.
func (c *Config) paths() []string {
	all := c.ConfigPaths
	if c.ConfigPath != "" {
		all = []string{c.ConfigPath}
	}
	var out []string
	for _, p := range all {
		if home, err := os.UserHomeDir(); err == nil && (p == "~" || strings.HasPrefix(p, "~/")) {
			p = filepath.Join(home, p[1:])
		}
		out = append(out, p)
	}
	return out
}

// pathAttribute is the attribute that names the kubeconfig.
func (c *Config) pathAttribute() string {
	if c.ConfigPath == "" && len(c.ConfigPaths) > 0 {
		return "config_paths"
	}
	return "config_path"
}
