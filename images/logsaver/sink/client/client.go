// Package client sends the requests of all sinks that speak HTTP: few connections, small buffers, credentials and certificates read from their files when they are needed.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

const (
	connectTimeout = 10 * time.Second
	idleTimeout    = 60 * time.Second
	buffer         = 32 << 10
	// drain is how much of an unread answer is read, so that its connection can be used again.
	drain = 64 << 10
)

// A Client sends requests to one server.
type Client struct {
	auth  config.Auth
	files *Files

	mu   sync.Mutex
	http *http.Client
}

// New makes a client.
func New(auth config.Auth, trust config.TLS) *Client {
	return &Client{auth: auth, files: NewFiles(trust)}
}

// Do sends a request, with the credentials that the configuration names, and hands the answer to read. The error of a request that was not answered is transient, unless a file of ours is the reason.
func (c *Client) Do(doing, target string, request *http.Request, read func(*http.Response) error) error {
	client, err := c.client()
	if err != nil {
		return fault.Lasting(doing, target, err, "correct the files that tls names")
	}
	if err := c.authorize(request); err != nil {
		return fault.Lasting(doing, target, err, "correct the files that auth names")
	}
	response, err := client.Do(request)
	if err != nil {
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return fault.Lasting(doing, target, unwrapURL(err), "name the server's certificate authority in tls.ca_file, or correct tls.server_name")
		}
		if cause := context.Cause(request.Context()); errors.Is(cause, context.DeadlineExceeded) {
			return fault.Transient(doing, target, fmt.Errorf("no answer in time: %w", cause))
		}
		return fault.Transient(doing, target, unwrapURL(err))
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, drain) // only for the connection's sake
		response.Body.Close()
	}()
	return read(response)
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
	return nil
}

// client gives the client for the certificates as they are now.
func (c *Client) client() (*http.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil && !c.files.Changed() {
		return c.http, nil
	}
	trust, err := c.files.Load()
	if err != nil {
		return nil, err
	}
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:       trust,
			TLSHandshakeTimeout:   connectTimeout,
			ExpectContinueTimeout: time.Second,
			MaxConnsPerHost:       2,
			MaxIdleConnsPerHost:   1,
			IdleConnTimeout:       idleTimeout,
			ReadBufferSize:        4 << 10,
			WriteBufferSize:       buffer,
			DisableCompression:    true,
			// One request at a time gains nothing from HTTP/2, which keeps larger buffers.
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
		// A redirect of a PUT or a POST would send it without its body, or elsewhere than somebody has allowed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c.http, nil
}

func (c *Client) authorize(request *http.Request) error {
	switch {
	case c.auth.BearerTokenFile != "":
		token, err := readSecret(c.auth.BearerTokenFile)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	case c.auth.Username != "":
		password, err := readSecret(c.auth.PasswordFile)
		if err != nil {
			return err
		}
		request.SetBasicAuth(c.auth.Username, password)
	}
	return nil
}

func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// unwrapURL takes off the method and URL that net/http puts before the reason; the target says it already.
func unwrapURL(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
