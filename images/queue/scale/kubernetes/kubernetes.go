// Package kubernetes scales StatefulSets by the scale subresource, with plain HTTP: a client library would need more
// memory than all the rest of the server.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// Account is where Kubernetes mounts the service account of a Pod.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

// The API server's address in a Pod.
const (
	EnvHost = "KUBERNETES_SERVICE_HOST"
	EnvPort = "KUBERNETES_SERVICE_PORT"
)

// timeout of one request.
const timeout = 10 * time.Second

// An Engine scales the StatefulSets of stages.
type Engine struct {
	sets      map[string]string
	server    string
	namespace string
	account   string
	client    *http.Client
}

// New reads the Pod's service account from a folder (Account). The token is read again with each request, as it is
// exchanged while the Pod runs.
func New(sets map[string]string, account string) (*Engine, error) {
	host, port := os.Getenv(EnvHost), os.Getenv(EnvPort)
	if host == "" || port == "" {
		return nil, fmt.Errorf("scale.kubernetes: %s and %s are not set: the server does not run in a Pod", EnvHost, EnvPort)
	}
	namespace, err := os.ReadFile(filepath.Join(account, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("scale.kubernetes: no service account is mounted (automountServiceAccountToken): %w", err)
	}
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("scale.kubernetes: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("scale.kubernetes: %s has no certificate", filepath.Join(account, "ca.crt"))
	}
	return &Engine{
		sets: sets, server: "https://" + net.JoinHostPort(host, port), account: account,
		namespace: strings.TrimSpace(string(namespace)),
		client: &http.Client{Timeout: timeout, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: timeout,
		}},
	}, nil
}

// scaled is the part of autoscaling/v1 Scale that is needed.
type scaled struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion,omitempty"`
	} `json:"metadata"`
	Spec struct {
		// Replicas are left out of the answer when they are 0, and must not be left out of the patch.
		Replicas int `json:"replicas"`
	} `json:"spec"`
}

// Replicas of a stage.
func (e *Engine) Replicas(ctx context.Context, stage string) (int, error) {
	s, err := e.get(ctx, stage)
	return s.Spec.Replicas, err
}

// Scale a stage. The patch holds for the version that was read, so that it takes back nobody's change.
func (e *Engine) Scale(ctx context.Context, stage string, from, to int, _ string) error {
	for range 5 { // a StatefulSet's version changes with each Pod that becomes ready, too
		s, err := e.get(ctx, stage)
		if err != nil {
			return err
		}
		if s.Spec.Replicas != from {
			return scale.ErrChanged
		}
		s.Spec.Replicas = to
		body, err := json.Marshal(s)
		if err != nil {
			return err
		}
		var conflict *statusError
		_, err = e.do(ctx, http.MethodPatch, stage, body)
		if errors.As(err, &conflict) && conflict.code == http.StatusConflict {
			continue
		}
		return err
	}
	return fmt.Errorf("%w: the StatefulSet %s changes all the time", scale.ErrBusy, e.sets[stage])
}

func (e *Engine) get(ctx context.Context, stage string) (scaled, error) {
	return e.do(ctx, http.MethodGet, stage, nil)
}

// statusError is an answer that is none.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string { return e.message }

func (e *Engine) do(ctx context.Context, method, stage string, body []byte) (s scaled, err error) {
	name := e.sets[stage]
	if name == "" {
		return s, fmt.Errorf("scale.kubernetes.stateful_sets has no entry for the stage %s", stage)
	}
	address := fmt.Sprintf("%s/apis/apps/v1/namespaces/%s/statefulsets/%s/scale", e.server, e.namespace, name)
	if method == http.MethodPatch {
		address += "?fieldManager=pattern-queue"
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return s, err
	}
	token, err := os.ReadFile(filepath.Join(e.account, "token"))
	if err != nil {
		return s, fmt.Errorf("read the service account's token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := e.client.Do(request)
	if err != nil {
		return s, fmt.Errorf("scale the StatefulSet %s/%s: %w", e.namespace, name, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return s, fmt.Errorf("scale the StatefulSet %s/%s: read the answer: %w", e.namespace, name, err)
	}
	if response.StatusCode != http.StatusOK {
		return s, e.refusal(name, response.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		return s, fmt.Errorf("scale the StatefulSet %s/%s: the answer is no Scale: %w", e.namespace, name, err)
	}
	return s, nil
}

func (e *Engine) refusal(name string, code int, answer []byte) error {
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &status) != nil || status.Message == "" {
		status.Message = strings.TrimSpace(string(answer[:min(len(answer), 200)]))
	}
	advice := ""
	switch code {
	case http.StatusForbidden:
		advice = "; the service account needs get and patch of statefulsets/scale"
	case http.StatusNotFound:
		advice = "; the workers of the stage have not been made yet, or were deleted"
	}
	return &statusError{code, fmt.Sprintf("scale the StatefulSet %s/%s: %d %s: %s%s", e.namespace, name, code, http.StatusText(code), status.Message, advice)}
}
