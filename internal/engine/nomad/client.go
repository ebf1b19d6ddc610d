package nomad

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// connect makes the client at its first use. It makes no request, and keeps no failure, so that a corrected environment
// is seen by the next call.
func (e *Engine) connect() (*api.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	c := e.cfg.withEnvironment()
	if c.Address == "" {
		return nil, &engine.ConfigError{
			Attribute: "address", Summary: "Nomad's address is not configured",
			Detail: "set nomad.address in the provider's configuration, or the environment variable NOMAD_ADDR; there is no default",
		}
	}
	u, err := url.Parse(c.Address)
	if err != nil || u.Scheme != "unix" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return nil, &engine.ConfigError{
			Attribute: "address", Summary: "Nomad's address is not a URL",
			Detail: `write "https://HOST:4646", "http://HOST:4646" or "unix:///PATH", not "` + c.Address + `"`, Err: err,
		}
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		// A plan of many instances reads in parallel, and each wait holds several blocking queries. Nomad refuses the 101st
		// connection of an address (limits.http_max_conns_per_client), and there may be others behind ours.
		MaxConnsPerHost:     maxConnections,
		MaxIdleConnsPerHost: maxConnections,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	if u.Scheme == "unix" {
		socket := u.Path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		c.Address = "http://unix"
	}
	if err := api.ConfigureTLS(&http.Client{Transport: transport}, c.tls()); err != nil {
		return nil, tlsFault(c, err)
	}
	if c.CertFile != "" && c.KeyFile != "" { // short-lived ones are renewed under our feet
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			return &pair, err
		}
	}
	var rt http.RoundTripper = transport
	if c.WrapTransport != nil {
		rt = c.WrapTransport(rt)
	}
	client, err := api.NewClient(&api.Config{
		Address: c.Address, Region: c.Region, HttpAuth: c.basicAuth(), Headers: c.headers(),
		HttpClient: &http.Client{Transport: &signed{next: rt, config: c}},
	})
	if err != nil {
		return nil, &engine.ConfigError{Attribute: "address", Summary: "Nomad's address cannot be used", Detail: err.Error(), Err: err}
	}
	e.client, e.transport = client, transport
	return client, nil
}

const maxConnections = 80

// headers of all requests.
func (c Config) headers() http.Header {
	h := http.Header{"User-Agent": {userAgent(c.Version)}}
	for k, v := range c.Headers {
		h.Set(k, v)
	}
	return h
}

func userAgent(version string) string {
	return strings.TrimSuffix("terraform-provider-pattern/"+version, "/")
}

// signed puts the token of now on each request, and repeats what meets a cluster that is busy or between two leaders.
type signed struct {
	next   http.RoundTripper
	config Config
}

func (s *signed) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := s.config.token()
	if err != nil {
		return nil, &engine.ConfigError{Attribute: "token_file", Summary: "Nomad's token file cannot be read", Detail: err.Error(), Err: err}
	}
	r = r.Clone(r.Context())
	if token != "" {
		r.Header.Set("X-Nomad-Token", token)
	}
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	begun := time.Now()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if body != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		resp, err := s.next.RoundTrip(r)
		if time.Since(begun) > patience || err != nil && !refused(r, err) || err == nil && !busy(r, resp) {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// refused tells whether a read was cut off, as Nomad does to connections above its limit.
func refused(r *http.Request, err error) bool {
	return r.Method == http.MethodGet && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF))
}

// busy tells whether the same request will be answered in a moment. One that writes is repeated only where it was surely
// not heard: at a limit of connections, or without a leader to forward it to.
func busy(r *http.Request, resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return r.Method == http.MethodGet
	case http.StatusInternalServerError:
		return strings.Contains(peek(resp), "No cluster leader")
	}
	return false
}

func (e *Engine) query(ctx context.Context, namespace string) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: e.cfg.namespace(namespace)}).WithContext(ctx)
}

func (e *Engine) write(ctx context.Context, namespace string) *api.WriteOptions {
	return (&api.WriteOptions{Namespace: e.cfg.namespace(namespace)}).WithContext(ctx)
}
