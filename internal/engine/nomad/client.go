package nomad

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
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
		// A plan of many instances reads in parallel, and each wait holds several blocking queries.
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
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
	var rt http.RoundTripper = transport
	if c.WrapTransport != nil {
		rt = c.WrapTransport(rt)
	}
	headers := http.Header{}
	for k, v := range c.Headers {
		headers.Set(k, v)
	}
	client, err := api.NewClient(&api.Config{
		Address: c.Address, Region: c.Region, HttpAuth: c.basicAuth(), Headers: headers,
		HttpClient: &http.Client{Transport: &signed{next: rt, config: c}},
	})
	if err != nil {
		return nil, &engine.ConfigError{Attribute: "address", Summary: "Nomad's address cannot be used", Detail: err.Error(), Err: err}
	}
	e.client = client
	return client, nil
}

// signed puts the token of now on each request, and repeats reads that meet a cluster between two leaders.
type signed struct {
	next   http.RoundTripper
	config Config
}

// A leader is elected within a few seconds.
const leaderAttempts = 5

func (s *signed) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := s.config.token()
	if err != nil {
		return nil, &engine.ConfigError{Attribute: "token_file", Summary: "Nomad's token file cannot be read", Detail: err.Error(), Err: err}
	}
	r = r.Clone(r.Context())
	if token != "" {
		r.Header.Set("X-Nomad-Token", token)
	}
	for attempt := 1; ; attempt++ {
		resp, err := s.next.RoundTrip(r)
		if err != nil || r.Method != http.MethodGet || attempt == leaderAttempts || !busy(resp) {
			return resp, err
		}
		_ = resp.Body.Close()
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(time.Duration(attempt) * 500 * time.Millisecond):
		}
	}
}

// busy tells whether the same question will be answered in a moment.
func busy(resp *http.Response) bool {
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway {
		return true
	}
	if resp.StatusCode != http.StatusInternalServerError {
		return false
	}
	return strings.Contains(peek(resp), "No cluster leader")
}

func (e *Engine) query(ctx context.Context, namespace string) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: e.cfg.namespace(namespace)}).WithContext(ctx)
}

func (e *Engine) write(ctx context.Context, namespace string) *api.WriteOptions {
	return (&api.WriteOptions{Namespace: e.cfg.namespace(namespace)}).WithContext(ctx)
}
