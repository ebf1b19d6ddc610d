// Package kubernetes scales StatefulSets by the scale subresource.
package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
)

// timeout of one request.
const timeout = 10 * time.Second

// An Engine scales the StatefulSets of stages.
type Engine struct {
	sets    map[string]string
	cluster *incluster.Client
}

// New reads the Pod's service account from a folder (incluster.Account).
func New(sets map[string]string, account string) (*Engine, error) {
	cluster, err := incluster.New(account)
	if err != nil {
		return nil, fmt.Errorf("scale.kubernetes: %w", err)
	}
	return &Engine{sets: sets, cluster: cluster}, nil
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
	s, err := e.do(ctx, http.MethodGet, stage, nil)
	return s.Spec.Replicas, err
}

// Scale a stage. The patch holds for the version that was read, so that it takes back nobody's change.
func (e *Engine) Scale(ctx context.Context, stage string, from, to int, _ string) error {
	for range 5 { // a StatefulSet's version changes with each Pod that becomes ready, too
		s, err := e.do(ctx, http.MethodGet, stage, nil)
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
	path, contentType := fmt.Sprintf("/apis/apps/v1/namespaces/%s/statefulsets/%s/scale", e.cluster.Namespace, name), ""
	if method == http.MethodPatch {
		path, contentType = path+"?fieldManager=pattern-queue", "application/merge-patch+json"
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := e.cluster.Do(ctx, method, path, contentType, bytes.NewReader(body))
	if err != nil {
		return s, fmt.Errorf("scale the StatefulSet %s/%s: %w", e.cluster.Namespace, name, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return s, fmt.Errorf("scale the StatefulSet %s/%s: read the answer: %w", e.cluster.Namespace, name, err)
	}
	if response.StatusCode != http.StatusOK {
		return s, e.refusal(name, response.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		return s, fmt.Errorf("scale the StatefulSet %s/%s: the answer is no Scale: %w", e.cluster.Namespace, name, err)
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
	return &statusError{code, fmt.Sprintf("scale the StatefulSet %s/%s: %d %s: %s%s", e.cluster.Namespace, name, code, http.StatusText(code), status.Message, advice)}
}
