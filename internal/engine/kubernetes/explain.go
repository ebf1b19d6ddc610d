package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// explain turns the errors of a connection into ConfigErrors that name the attribute to change. Others pass.
func (c *client) explain(err error) error {
	var known *engine.ConfigError
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	fault := func(attribute, summary, detail string, args ...any) error {
		return &engine.ConfigError{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...), Err: err}
	}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		op       *net.OpError
		dns      *net.DNSError
		record   tls.RecordHeaderError
		proxy    = c.config.ProxyURL
	)
	host := c.rest.Host
	switch {
	case apierrors.IsUnauthorized(err):
		if end, expired := c.expired(time.Now()); expired {
			return fault(c.attribute("client_certificate"), "The client certificate has expired",
				"It was valid until %s. Get a new one, and set %s.", end.Format(time.RFC3339), c.attribute("client_certificate"))
		}
		return fault(c.credentialAttribute(), "The Kubernetes API does not accept the credentials",
			"%s answered 401 Unauthorized. Renew what %s gives: a token or certificate may have expired, or belong to another cluster.", host, c.credentialAttribute())
	case isRBAC(err):
		return fault(c.credentialAttribute(), "The Kubernetes credentials do not permit this", "%s. Bind a role that does to this user.", strings.TrimSuffix(message(err), "."))
	case errors.As(err, &unknown):
		return fault(c.attribute("cluster_ca_certificate"), "The certificate of the Kubernetes API is signed by an unknown authority",
			"%s: %s. Set cluster_ca_certificate (KUBE_CLUSTER_CA_CERT_DATA) or the kubeconfig's certificate-authority-data to the cluster's own CA.", host, unknown)
	case errors.As(err, &hostname):
		return fault(c.attribute("tls_server_name"), "The certificate of the Kubernetes API is for another name", "%s: %s. Set tls_server_name (KUBE_TLS_SERVER_NAME) or use a host that it names.", host, hostname)
	case errors.As(err, &invalid):
		return fault(c.config.endpointAttribute(), "The certificate of the Kubernetes API is not valid", "%s: %s.", host, invalid)
	case strings.Contains(err.Error(), "getting credentials: exec"):
		return fault(c.attribute("exec"), "The credential plugin failed", "%s. Run the command by hand to see why.", err)
	case strings.Contains(err.Error(), "proxyconnect"):
		return fault(c.attribute("proxy_url"), "The proxy cannot be reached", "%s: %s.", proxy, err)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fault(c.config.endpointAttribute(), "The Kubernetes API does not speak TLS there", "%s: %s. Check the port.", host, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault(c.config.endpointAttribute(), "The Kubernetes API did not answer in time", "%s: %s. Check %s and the network between here and there, or allow more time.", host, err, c.config.endpointAttribute())
	case errors.As(err, &dns), errors.As(err, &op), errors.Is(err, os.ErrDeadlineExceeded):
		return fault(c.config.endpointAttribute(), "The Kubernetes API cannot be reached", "%s: %s. Check %s and the network between here and there.", host, err, c.config.endpointAttribute())
	case strings.Contains(err.Error(), "unable to parse bytes as PEM") || strings.Contains(err.Error(), "failed to find any PEM data") || strings.Contains(err.Error(), "unable to load root certificates"):
		return fault(c.attribute("cluster_ca_certificate"), "A certificate or key is not in PEM", "%s. Check cluster_ca_certificate, client_certificate and client_key.", err)
	case strings.Contains(err.Error(), "private key does not match public key"):
		return fault(c.attribute("client_key"), "The client certificate and key do not belong together", "%s.", err)
	}
	return err
}

// isRBAC tells a refusal of the user from a refusal of the object, which has the same status: quotas, admission.
func isRBAC(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot") && strings.Contains(err.Error(), "User \"")
}

func message(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Message != "" {
		return status.Status().Message
	}
	return err.Error()
}

func causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		return status.Status().Details.Causes
	}
	return nil
}

// attribute is the one given, if it is set or there is no kubeconfig that could hold it; else the kubeconfig's path.
func (c *client) attribute(name string) string {
	set := map[string]bool{
		"cluster_ca_certificate": c.config.ClusterCACertificate != "",
		"client_certificate":     c.config.ClientCertificate != "",
		"client_key":             c.config.ClientKey != "",
		"tls_server_name":        c.config.TLSServerName != "",
		"proxy_url":              c.config.ProxyURL != "",
		"exec":                   c.config.Exec != nil,
	}
	if set[name] || len(c.config.paths()) == 0 {
		return name
	}
	return c.config.pathAttribute()
}

// credentialAttribute is where the credentials come from.
func (c *client) credentialAttribute() string {
	switch {
	case c.config.Token != "":
		return "token"
	case c.config.Exec != nil:
		return "exec"
	case c.config.ClientCertificate != "":
		return "client_certificate"
	case c.config.Username != "":
		return "username"
	}
	if len(c.config.paths()) == 0 && c.config.Host != "" {
		return "token"
	}
	return c.config.endpointAttribute()
}

// expired tells whether the client certificate has, and when.
func (c *client) expired(now time.Time) (time.Time, bool) {
	raw := c.rest.CertData
	if len(raw) == 0 && c.rest.CertFile != "" {
		raw, _ = os.ReadFile(c.rest.CertFile)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return time.Time{}, false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, false
	}
	return cert.NotAfter, now.After(cert.NotAfter)
}
