package nomad

import (
	"cmp"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Config says how Nomad is reached. What is left empty is taken from the environment variable beside it, when the first
// request is made. There is no default address.
type Config struct {
	Address   string `json:"address"`    // NOMAD_ADDR: "https://nomad.example:4646" or "unix:///run/nomad.sock"
	Region    string `json:"region"`     // NOMAD_REGION
	Namespace string `json:"namespace"`  // NOMAD_NAMESPACE; "default"
	Token     string `json:"token"`      // NOMAD_TOKEN; read again for each request
	TokenFile string `json:"token_file"` // read again for each request; wins over NOMAD_TOKEN, not over Token

	CAFile        string `json:"ca_file"` // NOMAD_CACERT
	CAPEM         string `json:"ca_pem"`
	CAPath        string `json:"ca_path"`   // NOMAD_CAPATH
	CertFile      string `json:"cert_file"` // NOMAD_CLIENT_CERT
	CertPEM       string `json:"cert_pem"`
	KeyFile       string `json:"key_file"` // NOMAD_CLIENT_KEY
	KeyPEM        string `json:"key_pem"`
	TLSServerName string `json:"tls_server_name"` // NOMAD_TLS_SERVER_NAME
	Insecure      bool   `json:"skip_verify"`     // NOMAD_SKIP_VERIFY

	HTTPAuth string            `json:"http_auth"` // NOMAD_HTTP_AUTH: "user:password"
	Headers  map[string]string `json:"headers"`

	// MHzPerCore overrides what the nodes say of themselves.
	MHzPerCore int `json:"mhz_per_core"`

	// Version of the provider, for the user agent.
	Version string `json:"-"`
	// WrapTransport may add a layer below the client, which sees every request.
	WrapTransport func(http.RoundTripper) http.RoundTripper `json:"-"`
}

// withEnvironment fills what is empty.
func (c Config) withEnvironment() Config {
	c.Address = cmp.Or(c.Address, os.Getenv("NOMAD_ADDR"))
	c.Region = cmp.Or(c.Region, os.Getenv("NOMAD_REGION"))
	c.Namespace = c.namespace("")
	if c.CAFile == "" && c.CAPEM == "" && c.CAPath == "" {
		c.CAFile, c.CAPath = os.Getenv("NOMAD_CACERT"), os.Getenv("NOMAD_CAPATH")
	}
	if c.CertFile == "" && c.CertPEM == "" {
		c.CertFile = os.Getenv("NOMAD_CLIENT_CERT")
	}
	if c.KeyFile == "" && c.KeyPEM == "" {
		c.KeyFile = os.Getenv("NOMAD_CLIENT_KEY")
	}
	c.TLSServerName = cmp.Or(c.TLSServerName, os.Getenv("NOMAD_TLS_SERVER_NAME"))
	if !c.Insecure {
		c.Insecure, _ = strconv.ParseBool(os.Getenv("NOMAD_SKIP_VERIFY"))
	}
	c.HTTPAuth = cmp.Or(c.HTTPAuth, os.Getenv("NOMAD_HTTP_AUTH"))
	return c
}

// namespace that an empty one means.
func (c Config) namespace(given string) string {
	return cmp.Or(given, c.Namespace, os.Getenv("NOMAD_NAMESPACE"), "default")
}

// token as it is now.
func (c Config) token() (string, error) {
	if c.Token != "" {
		return c.Token, nil
	}
	if c.TokenFile != "" {
		raw, err := os.ReadFile(c.TokenFile)
		return strings.TrimSpace(string(raw)), err
	}
	return os.Getenv("NOMAD_TOKEN"), nil
}

func (c Config) tls() *api.TLSConfig {
	return &api.TLSConfig{
		CACert: c.CAFile, CAPath: c.CAPath, CACertPEM: []byte(c.CAPEM),
		ClientCert: c.CertFile, ClientCertPEM: []byte(c.CertPEM), ClientKey: c.KeyFile, ClientKeyPEM: []byte(c.KeyPEM),
		TLSServerName: c.TLSServerName, Insecure: c.Insecure,
	}
}

func (c Config) basicAuth() *api.HttpBasicAuth {
	if c.HTTPAuth == "" {
		return nil
	}
	user, password, _ := strings.Cut(c.HTTPAuth, ":")
	return &api.HttpBasicAuth{Username: user, Password: password}
}
