// Package nomad scales the groups of a job by Nomad's scaling API, with plain HTTP and the task's own identity.
package nomad

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// What Nomad tells its tasks.
const (
	EnvAddress   = "NOMAD_ADDR"
	EnvSecrets   = "NOMAD_SECRETS_DIR"
	EnvToken     = "NOMAD_TOKEN"
	EnvNamespace = "NOMAD_NAMESPACE"
	EnvRegion    = "NOMAD_REGION"
)

// timeout of one request.
const timeout = 10 * time.Second

// An Engine scales the groups of stages.
type Engine struct {
	job    string
	groups map[string]string
	base   string
	client *http.Client
}

// New goes through the task API, the socket that every task has; where there is none, to NOMAD_ADDR.
func New(job string, groups map[string]string) (*Engine, error) {
	transport := &http.Transport{MaxConnsPerHost: 2, IdleConnTimeout: time.Minute}
	e := &Engine{job: job, groups: groups, client: &http.Client{Timeout: timeout, Transport: transport}}
	socket := filepath.Join(os.Getenv(EnvSecrets), "api.sock")
	switch _, err := os.Stat(socket); {
	case os.Getenv(EnvSecrets) != "" && err == nil:
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
		e.base = "http://task-api"
	case os.Getenv(EnvAddress) != "":
		transport.Proxy = http.ProxyFromEnvironment
		e.base = strings.TrimSuffix(os.Getenv(EnvAddress), "/")
	default:
		return nil, fmt.Errorf("scale.nomad: there is neither the task API's socket %s nor %s", socket, EnvAddress)
	}
	return e, nil
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

// status is the part of the answer of GET /v1/job/JOB/scale that is needed.
type status struct {
	JobStopped bool
	TaskGroups map[string]struct{ Desired int }
}

// Replicas of a stage.
func (e *Engine) Replicas(ctx context.Context, stage string) (int, error) {
	var s status
	if err := e.do(ctx, http.MethodGet, nil, &s); err != nil {
		return 0, err
	}
	group, there := s.TaskGroups[e.groups[stage]]
	switch {
	case s.JobStopped:
		return 0, fmt.Errorf("scale the Nomad job %s: it is stopped", e.job)
	case !there:
		return 0, fmt.Errorf("scale the Nomad job %s: it has no group %q for the stage %s", e.job, e.groups[stage], stage)
	}
	return group.Desired, nil
}

// Scale a stage. The request does not name the version of the job that was read: what Nomad calls JobModifyIndex in a scale
// status is another number, which changes with the job's status, too.
func (e *Engine) Scale(ctx context.Context, stage string, from, to int, why string) error {
	n, err := e.Replicas(ctx, stage)
	if err != nil {
		return err
	}
	if n != from {
		return scale.ErrChanged
	}
	request := map[string]any{
		"Count": to, "Target": map[string]string{"Group": e.groups[stage]}, "Message": "work queue: " + why,
	}
	err = e.do(ctx, http.MethodPost, request, nil)
	var refused *refusedError
	if errors.As(err, &refused) && strings.Contains(refused.message, "active deployment") {
		return fmt.Errorf("%w: %w", scale.ErrBusy, err)
	}
	return err
}

// refusedError is an answer that is none.
type refusedError struct {
	code    int
	message string
}

func (e *refusedError) Error() string { return e.message }

func (e *Engine) do(ctx context.Context, method string, body, answer any) error {
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	query := url.Values{}
	for name, variable := range map[string]string{"namespace": EnvNamespace, "region": EnvRegion} {
		if v := os.Getenv(variable); v != "" {
			query.Set(name, v)
		}
	}
	address := e.base + "/v1/job/" + url.PathEscape(e.job) + "/scale?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return err
	}
	t, err := token()
	if err != nil {
		return fmt.Errorf("scale the Nomad job %s: %w", e.job, err)
	}
	request.Header.Set("Authorization", "Bearer "+t)
	response, err := e.client.Do(request)
	if err != nil {
		return fmt.Errorf("scale the Nomad job %s: %w", e.job, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("scale the Nomad job %s: read the answer: %w", e.job, err)
	}
	if response.StatusCode != http.StatusOK {
		return e.refusal(response.StatusCode, strings.TrimSpace(string(text[:min(len(text), 300)])))
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("scale the Nomad job %s: the answer is not as expected: %w", e.job, err)
	}
	return nil
}

func (e *Engine) refusal(code int, text string) error {
	advice := ""
	switch code {
	case http.StatusForbidden, http.StatusUnauthorized:
		advice = "; the task's identity needs a policy with scale-job, read-job-scaling and read-job"
	case http.StatusNotFound:
		advice = "; the job was deleted, or its name or namespace is another"
	}
	return &refusedError{code, fmt.Sprintf("scale the Nomad job %s: %d: %s%s", e.job, code, text, advice)}
}
