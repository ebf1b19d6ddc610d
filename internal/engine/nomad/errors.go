package nomad

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// peek reads the answer and puts it back.
func peek(resp *http.Response) string {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return string(raw)
}

// status of an answer that was not expected, or 0.
func status(err error) int {
	var u api.UnexpectedResponseError
	if errors.As(err, &u) {
		return u.StatusCode()
	}
	return 0
}

// body of an answer that was not expected, or the error's text.
func body(err error) string {
	var u api.UnexpectedResponseError
	if errors.As(err, &u) && u.HasBody() {
		return strings.TrimSpace(u.Body())
	}
	return err.Error()
}

// fault says which attribute of the configuration is to blame for an error of a request, where one is; doing names what
// was being done.
func (e *Engine) fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	var known *engine.ConfigError
	if errors.As(err, &known) {
		return known
	}
	c := e.cfg.withEnvironment()
	blame := func(attribute, summary, format string, args ...any) error {
		return &engine.ConfigError{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(format, args...) + " (" + doing + ")", Err: err}
	}
	text := body(err)
	switch code := status(err); {
	case code == http.StatusForbidden, text == permissionDenied:
		if token, _ := c.token(); token == "" {
			return blame("token", "Nomad wants a token", "ACLs are on at %s, and there is no token: set nomad.token or NOMAD_TOKEN", c.Address)
		}
		if !e.known() {
			return blame("token", "Nomad does not know the token", "%s answers %q: set nomad.token or NOMAD_TOKEN to the secret ID of a token that exists and has not expired", c.Address, text)
		}
		return blame("token", "Nomad denies permission", "the token may not do this in namespace %q: %s", c.Namespace, text)
	case code == http.StatusUnauthorized:
		return blame("http_auth", "Nomad's proxy wants a password", "set nomad.http_auth or NOMAD_HTTP_AUTH to \"user:password\": %s", text)
	case strings.Contains(text, "No path to region"):
		return blame("region", "Nomad does not know the region", "there is no %q: set nomad.region or NOMAD_REGION to one that `nomad server members` lists", c.Region)
	case strings.Contains(text, "nonexistent namespace"), strings.Contains(text, "namespace") && strings.Contains(text, "does not exist"):
		return blame("namespace", "Nomad has no such namespace", "%s: create it, or set the instance's namespace, nomad.namespace or NOMAD_NAMESPACE", text)
	case strings.Contains(text, "HTTP request to an HTTPS server"):
		return blame("address", "Nomad speaks HTTPS here", "write the address with https://, not %s", c.Address)
	case status(err) != 0:
		return fmt.Errorf("%s: %w", doing, err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if f := tlsBlame(c, err); f != nil {
		return f
	}
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &op) || errors.As(err, &dns) || errors.Is(err, io.EOF) {
		return blame("address", "Nomad cannot be reached", "no answer from %s: %v; check nomad.address or NOMAD_ADDR, and that the network lets you through", c.Address, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// permissionDenied is what Nomad says over a WebSocket, which has no status.
const permissionDenied = "Permission denied"

// known asks who the token is, because Nomad refuses a request with an unknown token in the same words as one with a token
// that may not do it.
func (e *Engine) known() bool {
	client, err := e.connect()
	if err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastLook)
	defer cancel()
	_, _, err = client.ACLTokens().Self(new(api.QueryOptions).WithContext(ctx))
	return err == nil || status(err) != http.StatusForbidden && status(err) != http.StatusNotFound && !strings.Contains(body(err), "token")
}

// tlsBlame finds the attribute behind a failed handshake, or nothing.
func tlsBlame(c Config, err error) error {
	blame := func(attribute, summary, detail string) error {
		return &engine.ConfigError{Attribute: attribute, Summary: summary, Detail: detail + ": " + err.Error(), Err: err}
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	text := err.Error()
	switch {
	case errors.As(err, &unknown):
		return blame(c.caAttribute(), "Nomad's certificate is signed by an unknown CA", "set nomad.ca_file, nomad.ca_pem or NOMAD_CACERT to the CA that signed it")
	case errors.As(err, &host):
		return blame("tls_server_name", "Nomad's certificate is for another name", "set nomad.tls_server_name or NOMAD_TLS_SERVER_NAME to a name that it carries (Nomad's own is server.REGION.nomad)")
	case errors.As(err, &invalid):
		return blame(c.caAttribute(), "Nomad's certificate is not valid", "see that it has not expired and that the CA is the right one")
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return blame("address", "Nomad speaks plain HTTP here", "write the address with http://, not "+c.Address)
	case errors.As(err, &alert), strings.Contains(text, "remote error: tls"):
		return blame("cert_file", "Nomad refuses the client certificate", "set nomad.cert_file and nomad.key_file, or NOMAD_CLIENT_CERT and NOMAD_CLIENT_KEY, to a pair that its CA has signed")
	}
	return nil
}

// caAttribute is the one by which the CA was given.
func (c Config) caAttribute() string {
	switch {
	case c.CAPEM != "":
		return "ca_pem"
	case c.CAPath != "" && c.CAFile == "":
		return "ca_path"
	}
	return "ca_file"
}

// tlsFault explains TLS files that cannot be used.
func tlsFault(c Config, err error) error {
	attribute, text := c.caAttribute(), err.Error()
	switch {
	case c.KeyFile != "" && strings.Contains(text, c.KeyFile):
		attribute = "key_file"
	case strings.Contains(text, "lient cert") || strings.Contains(text, "tls:") || c.CertFile != "" && strings.Contains(text, c.CertFile):
		attribute = "cert_file"
		if c.CertPEM != "" {
			attribute = "cert_pem"
		}
	}
	return &engine.ConfigError{Attribute: attribute, Summary: "Nomad's TLS files cannot be used", Detail: text, Err: err}
}
