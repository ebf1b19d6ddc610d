package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	exit "k8s.io/client-go/util/exec"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Replicas lists the group's Pods: one request. See engine.Engine.
func (e *Engine) Replicas(ctx context.Context, t *topology.Topology, group, container string) ([]engine.Replica, error) {
	if _, _, err := engine.Container(t, group, container); err != nil {
		return nil, err
	}
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	key := c.key(t.Key())
	all, err := c.podsOf(ctx, key, group)
	if err != nil {
		return nil, err
	}
	var out []engine.Replica
	for _, p := range all {
		if p.DeletionTimestamp == nil && runs(p, container) {
			out = append(out, engine.Replica{Name: p.Name, ID: p.Name})
		}
	}
	slices.SortFunc(out, func(a, b engine.Replica) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// podsOf a group.
func (c *client) podsOf(ctx context.Context, key topology.Key, group string) (all []*corev1.Pod, err error) {
	list, err := again(ctx, func() (*unstructured.UnstructuredList, error) {
		return c.dynamic.Resource(pods).Namespace(key.Namespace).List(ctx, metav1.ListOptions{LabelSelector: instanceSelector(key) + "," + labelGroup + "=" + group})
	})
	if err != nil {
		return nil, c.explain(fmt.Errorf("list the Pods of %s/%s: %w", key.Namespace, key.Name, err))
	}
	for i := range list.Items {
		if p := typed[corev1.Pod](&list.Items[i]); p != nil {
			all = append(all, p)
		}
	}
	return all, nil
}

func runs(p *corev1.Pod, container string) bool {
	return slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), func(s corev1.ContainerStatus) bool {
		return s.Name == container && s.State.Running != nil
	})
}

// Exec by WebSocket, or by SPDY where the way there knows no other. See engine.Engine.
func (e *Engine) Exec(ctx context.Context, t *topology.Topology, r engine.Replica, container string, command ...string) (*engine.Ran, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	key := c.key(t.Key())
	at := c.core.Post().Namespace(key.Namespace).Resource("pods").Name(r.ID).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	first, err := remotecommand.NewWebSocketExecutor(c.rest, http.MethodGet, at.String())
	if err != nil {
		return nil, c.explain(err)
	}
	second, err := remotecommand.NewSPDYExecutor(c.rest, http.MethodPost, at)
	if err != nil {
		return nil, c.explain(err)
	}
	either, err := remotecommand.NewFallbackExecutor(first, second, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return nil, err
	}
	var stdout, stderr engine.Capped
	err = either.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	ran := &engine.Ran{Stdout: stdout.Bytes, Stderr: stderr.Bytes}
	var ended exit.CodeExitError
	if errors.As(err, &ended) {
		ran.Status = ended.Code
		return ran, nil
	}
	if err != nil {
		return nil, c.notRun(key, r, container, err)
	}
	return ran, nil
}

// notRun says why a command was not run.
func (c *client) notRun(key topology.Key, r engine.Replica, container string, err error) error {
	var upgrade *httpstream.UpgradeFailureError
	if errors.As(err, &upgrade) {
		err = upgrade.Cause
	}
	switch {
	case isRBAC(err):
		return &engine.NotPermittedError{
			Container: container, Replica: "Pod " + key.Namespace + "/" + r.ID, Right: `the verb "create" on "pods/exec" in the namespace ` + key.Namespace, Err: errors.New(message(err)),
		}
	case apierrors.IsNotFound(err), strings.Contains(err.Error(), "container not found"), strings.Contains(err.Error(), "current phase is"):
		return fmt.Errorf("container %q of Pod %s/%s: %w", container, key.Namespace, r.ID, engine.ErrNotRunning)
	}
	return c.explain(fmt.Errorf("run a command in the container %q of Pod %s/%s: %w", container, key.Namespace, r.ID, err))
}
