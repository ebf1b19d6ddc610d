package kubernetes

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// signIn turns the configuration into that of client-go, and says in which namespace instances are by default.
// It reads files, and makes no connection.
func (c *Config) signIn() (*rest.Config, string, error) {
	r, namespace, err := c.restConfig()
	if err != nil {
		return nil, "", err
	}
	// Neither the client nor a plan of hundreds of instances is to wait; the server has its own priority and fairness.
	r.QPS, r.Burst = -1, -1
	r.UserAgent = "terraform-provider-pattern/" + c.version()
	r.WarningHandler = rest.NoWarnings{}
	if c.WrapTransport != nil {
		r.Wrap(c.WrapTransport)
	}
	return r, namespace, nil
}

func (c *Config) version() string {
	if c.Version == "" {
		return "dev"
	}
	return c.Version
}

func (c *Config) restConfig() (*rest.Config, string, error) {
	paths := c.paths()
	if len(paths) == 0 && c.Host == "" {
		if c.InCluster || os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
			return c.inCluster()
		}
		return nil, "", notConfigured()
	}
	overrides, err := c.overrides()
	if err != nil {
		return nil, "", err
	}
	file := clientcmdapi.NewConfig()
	if len(paths) > 0 {
		if file, err = c.load(paths); err != nil {
			return nil, "", err
		}
		if err := c.checkContext(file); err != nil {
			return nil, "", err
		}
	}
	loader := clientcmd.NewNonInteractiveClientConfig(*file, c.Context, overrides, nil)
	r, err := loader.ClientConfig()
	if err != nil {
		return nil, "", &engine.ConfigError{
			Attribute: c.endpointAttribute(), Summary: "The configuration of the Kubernetes engine is not usable",
			Detail: err.Error() + ".", Err: err,
		}
	}
	if strings.HasPrefix(r.Host, "http://") && (c.Token != "" || c.Exec != nil || c.Username != "" || c.ClientCertificate != "") {
		return nil, "", &engine.ConfigError{
			Attribute: c.endpointAttribute(), Summary: "Credentials are not sent without TLS",
			Detail: fmt.Sprintf("%s is no https URL, so anybody on the way could read what signs in. Use https, or remove the credentials if something in between (kubectl proxy) has its own.", r.Host),
		}
	}
	namespace, _, err := loader.Namespace()
	if err != nil || namespace == "" {
		namespace = "default"
	}
	return r, namespace, nil
}

func notConfigured() error {
	return &engine.ConfigError{
		Summary: "The Kubernetes engine is not configured",
		Detail: "Set config_path (or the environment variable KUBE_CONFIG_PATH), or config_paths (KUBE_CONFIG_PATHS), " +
			"or host (KUBE_HOST) with token (KUBE_TOKEN), client_certificate and client_key (KUBE_CLIENT_CERT_DATA, KUBE_CLIENT_KEY_DATA) " +
			"or exec, and cluster_ca_certificate (KUBE_CLUSTER_CA_CERT_DATA); within a Pod, in_cluster. There is no default cluster.",
	}
}

// endpointAttribute is the attribute that says where the cluster is.
func (c *Config) endpointAttribute() string {
	switch {
	case c.Host != "":
		return "host"
	case len(c.paths()) > 0:
		return c.pathAttribute()
	}
	return "in_cluster"
}

func (c *Config) inCluster() (*rest.Config, string, error) {
	r, err := rest.InClusterConfig()
	if err != nil {
		return nil, "", &engine.ConfigError{
			Attribute: "in_cluster", Summary: "The service account of this Pod cannot be used",
			Detail: err.Error() + ". It works only inside a Pod whose service account token is mounted; elsewhere set config_path or host.", Err: err,
		}
	}
	namespace := c.Namespace
	if namespace == "" {
		const file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
		if raw, err := os.ReadFile(file); err == nil {
			namespace = strings.TrimSpace(string(raw))
		}
	}
	if namespace == "" {
		namespace = "default"
	}
	return r, namespace, nil
}

func (c *Config) load(paths []string) (*clientcmdapi.Config, error) {
	fault := func(summary, detail string, err error) error {
		return &engine.ConfigError{Attribute: c.pathAttribute(), Summary: summary, Detail: detail, Err: err}
	}
	for _, p := range paths {
		_, err := clientcmd.LoadFromFile(p)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil, fault("The kubeconfig file does not exist", fmt.Sprintf("There is no file %s. Set %s (KUBE_CONFIG_PATH, KUBE_CONFIG_PATHS) to one that is there.", p, c.pathAttribute()), err)
		case err != nil:
			return nil, fault("The kubeconfig file cannot be read", fmt.Sprintf("%s: %s.", p, err), err)
		}
	}
	merged, err := (&clientcmd.ClientConfigLoadingRules{Precedence: paths}).Load()
	if err != nil {
		return nil, fault("The kubeconfig files cannot be merged", strings.Join(paths, ", ")+": "+err.Error()+".", err)
	}
	return merged, nil
}

// checkContext names what there is, where the one that was asked for is not.
func (c *Config) checkContext(file *clientcmdapi.Config) error {
	missing := func(attribute, what, name string, have []string) error {
		slices.Sort(have)
		return &engine.ConfigError{
			Attribute: attribute, Summary: fmt.Sprintf("The kubeconfig has no %s %q", what, name),
			Detail: fmt.Sprintf("%s has: %s.", strings.Join(c.paths(), ", "), strings.Join(have, ", ")),
		}
	}
	name, attribute := c.Context, "config_context"
	if name == "" {
		name, attribute = file.CurrentContext, c.pathAttribute()
	}
	if _, found := file.Contexts[name]; !found && name != "" {
		return missing(attribute, "context", name, keys(file.Contexts))
	}
	if name == "" && c.ContextCluster == "" && c.Host == "" {
		return &engine.ConfigError{
			Attribute: "config_context", Summary: "The kubeconfig has no current context",
			Detail: fmt.Sprintf("Set config_context (KUBE_CTX) to one of those in %s: %s.", strings.Join(c.paths(), ", "), strings.Join(keys(file.Contexts), ", ")),
		}
	}
	if n := c.ContextCluster; n != "" && file.Clusters[n] == nil {
		return missing("config_context_cluster", "cluster", n, keys(file.Clusters))
	}
	if n := c.ContextAuthInfo; n != "" && file.AuthInfos[n] == nil {
		return missing("config_context_auth_info", "user", n, keys(file.AuthInfos))
	}
	return nil
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// overrides of the kubeconfig, or all that there is without one.
func (c *Config) overrides() (*clientcmd.ConfigOverrides, error) {
	o := &clientcmd.ConfigOverrides{}
	o.Context.Namespace = c.Namespace
	o.Context.Cluster = c.ContextCluster
	o.Context.AuthInfo = c.ContextAuthInfo
	if c.Host != "" {
		host := c.Host
		if !strings.Contains(host, "://") {
			host = "https://" + host
		}
		u, err := url.Parse(host)
		if err != nil || u.Host == "" {
			return nil, &engine.ConfigError{
				Attribute: "host", Summary: "The host is not a URL", Detail: fmt.Sprintf("%q: set host (KUBE_HOST) to something like https://10.0.0.1:6443.", c.Host), Err: err,
			}
		}
		o.ClusterInfo.Server = host
	}
	o.ClusterInfo.CertificateAuthorityData = []byte(c.ClusterCACertificate)
	o.ClusterInfo.InsecureSkipTLSVerify = c.Insecure
	o.ClusterInfo.TLSServerName = c.TLSServerName
	o.ClusterInfo.ProxyURL = c.ProxyURL
	o.AuthInfo.Token = c.Token
	o.AuthInfo.Username, o.AuthInfo.Password = c.Username, c.Password
	o.AuthInfo.ClientCertificateData = []byte(c.ClientCertificate)
	o.AuthInfo.ClientKeyData = []byte(c.ClientKey)
	if x := c.Exec; x != nil {
		o.AuthInfo.Exec = &clientcmdapi.ExecConfig{
			APIVersion: x.APIVersion, Command: x.Command, Args: x.Args,
			// Terraform's own input and output are no terminal.
			InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
			InstallHint:     "The program of exec.command must be installed where Terraform runs.",
		}
		for _, k := range keys(x.Env) {
			o.AuthInfo.Exec.Env = append(o.AuthInfo.Exec.Env, clientcmdapi.ExecEnvVar{Name: k, Value: x.Env[k]})
		}
	}
	if c.Insecure && c.ClusterCACertificate != "" {
		return nil, &engine.ConfigError{
			Attribute: "insecure", Summary: "insecure and cluster_ca_certificate exclude each other", Detail: "Remove one of them (KUBE_INSECURE, KUBE_CLUSTER_CA_CERT_DATA).",
		}
	}
	return o, nil
}
