// Package incluster asks the API of the Kubernetes that this Pod runs in, with the Pod's service account and plain HTTP: a client
// library would need more memory than most images have.
package incluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Account is where Kubernetes mounts the service account of a Pod.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

// The API server's address in a Pod.
const (
	EnvHost = "KUBERNETES_SERVICE_HOST"
	EnvPort = "KUBERNETES_SERVICE_PORT"
)

// ErrNotThere is returned outside of a Pod, and in one without a service account.
var ErrNotThere = errors.New("no service account is mounted")

// handshakePatience with the API server.
const handshakePatience = 10 * time.Second

// A watch may be silent for minutes. A server that is gone without a word is to be noticed all the same.
const (
	pingAfter    = 15 * time.Second
	pingPatience = 10 * time.Second
)

// Client of the API.
type Client struct {
	// Namespace of the Pod.
	Namespace string
	server    string
	account   string
	http      *http.Client
}

// New reads the service account from a folder (Account). The token is read again with each request, as it is exchanged while the
// Pod runs.
func New(account string) (*Client, error) {
	host, port := os.Getenv(EnvHost), os.Getenv(EnvPort)
	if host == "" || port == "" {
		return nil, fmt.Errorf("%w: %s and %s are not set: the program does not run in a Pod", ErrNotThere, EnvHost, EnvPort)
	}
	namespace, err := os.ReadFile(filepath.Join(account, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("%w (automountServiceAccountToken): %w", ErrNotThere, err)
	}
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotThere, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s has no certificate", filepath.Join(account, "ca.crt"))
	}
	return &Client{
		Namespace: strings.TrimSpace(string(namespace)), server: "https://" + net.JoinHostPort(host, port), account: account,
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			DialContext:     (&net.Dialer{Timeout: handshakePatience, KeepAlive: pingAfter}).DialContext,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: handshakePatience,
			HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingPatience},
		}},
	}, nil
}

// Do sends a request to a path of the API. The answer's body must be closed.
func (c *Client) Do(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	token, err := os.ReadFile(filepath.Join(c.account, "token"))
	if err != nil {
		return nil, fmt.Errorf("read the service account's token: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return c.http.Do(request)
}
