// Package nomad scales the groups of a job by Nomad's scaling API, with plain HTTP and the task's own identity.
package nomad

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/intask"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// timeout of one request.
const timeout = 10 * time.Second

// An Engine scales the groups of stages.
type Engine struct {
	job    string
	groups map[string]string
	api    *intask.Client
}

// New asks by the identity of this task.
func New(job string, groups map[string]string) (*Engine, error) {
	api, err := intask.New()
	if err != nil {
		return nil, fmt.Errorf("scale.nomad: %w", err)
	}
	return &Engine{job: job, groups: groups, api: api}, nil
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
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := e.api.Do(ctx, method, "/v1/job/"+url.PathEscape(e.job)+"/scale", nil, content)
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
