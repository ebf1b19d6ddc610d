// Package intask asks the API of the Nomad that this task runs in, with the identity of the task and plain HTTP: a client library
// would need more memory than most images have.
package intask

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What Nomad tells its tasks.
const (
	EnvAddress   = "NOMAD_ADDR"
	EnvSecrets   = "NOMAD_SECRETS_DIR"
	EnvToken     = "NOMAD_TOKEN"
	EnvNamespace = "NOMAD_NAMESPACE"
	EnvRegion    = "NOMAD_REGION"
)

// Client of the API.
type Client struct {
	base string
	http *http.Client
}

// New goes through the task API, the socket that every task has; where there is none, to NOMAD_ADDR.
func New() (*Client, error) {
	transport := &http.Transport{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4}
	c := &Client{http: &http.Client{Transport: transport}}
	socket := filepath.Join(os.Getenv(EnvSecrets), "api.sock")
	switch _, err := os.Stat(socket); {
	case os.Getenv(EnvSecrets) != "" && err == nil:
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
		c.base = "http://task-api"
	case os.Getenv(EnvAddress) != "":
		transport.Proxy = http.ProxyFromEnvironment
		c.base = strings.TrimSuffix(os.Getenv(EnvAddress), "/")
	default:
		return nil, fmt.Errorf("there is neither the task API's socket %s nor %s", socket, EnvAddress)
	}
	return c, nil
}

// token of the workload identity: from its file, which Nomad renews, or from the environment.
func token() (string, error) {
	text, err := os.ReadFile(filepath.Join(os.Getenv(EnvSecrets), "nomad_token"))
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if t := os.Getenv(EnvToken); t != "" {
		return t, nil
	}
	return "", fmt.Errorf("the task has no token of its identity: set identity { env = true, file = true } (%w)", err)
}

// Do sends a request to a path of the API, in the task's namespace and region. The answer's body must be closed.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	if query == nil {
		query = url.Values{}
	}
	for name, variable := range map[string]string{"namespace": EnvNamespace, "region": EnvRegion} {
		if v := os.Getenv(variable); v != "" {
			query.Set(name, v)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	t, err := token()
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+t)
	return c.http.Do(request)
}
