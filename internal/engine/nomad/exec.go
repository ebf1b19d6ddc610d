package nomad

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Replicas lists the group's allocations: one request. See engine.Engine.
func (e *Engine) Replicas(ctx context.Context, t *topology.Topology, group, container string) ([]engine.Replica, error) {
	g, _, err := engine.Container(t, group, container)
	if err != nil {
		return nil, err
	}
	k := e.resolve(t.Key())
	allocs, err := e.running(ctx, k, group)
	if err != nil {
		return nil, err
	}
	var out []engine.Replica
	for _, a := range allocs {
		if s := a.TaskStates[container]; a.DesiredStatus == api.AllocDesiredStatusRun && s != nil && s.State == "running" {
			out = append(out, engine.Replica{Name: replicaName(t, g, a), ID: a.ID})
		}
	}
	slices.SortFunc(out, func(a, b engine.Replica) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// running allocations of a group.
func (e *Engine) running(ctx context.Context, k topology.Key, group string) ([]*api.AllocationListStub, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	q := e.query(ctx, k.Namespace)
	q.Filter = fmt.Sprintf("JobID == %q and TaskGroup == %q and ClientStatus == %q", k.Name, group, api.AllocClientStatusRunning)
	allocs, _, err := c.Allocations().List(q)
	if err != nil {
		return nil, e.fault("list the allocations of "+object(k), err)
	}
	return allocs, nil
}

// replicaName is what a replica is called in itself: see (*builder).field.
func replicaName(t *topology.Topology, g *topology.Group, a *api.AllocationListStub) string {
	return strings.NewReplacer("${NOMAD_SHORT_ALLOC_ID}", a.ID[:8], "${NOMAD_ALLOC_INDEX}", a.Name[strings.LastIndexByte(a.Name, '[')+1:len(a.Name)-1]).Replace(fieldName(t, g))
}

// Exec by way of the servers. See engine.Engine.
func (e *Engine) Exec(ctx context.Context, t *topology.Topology, r engine.Replica, container string, command ...string) (*engine.Ran, error) {
	c, err := e.socket()
	if err != nil {
		return nil, err
	}
	k := e.resolve(t.Key())
	var stdout, stderr engine.Capped
	// Without a node's ID the API's client asks no node itself, which often is out of reach, and waits for none.
	status, err := c.Allocations().Exec(ctx, &api.Allocation{ID: r.ID}, container, false, command, bytes.NewReader(nil), &stdout, &stderr, nil, e.query(ctx, k.Namespace))
	if err != nil {
		return nil, e.notRun(k, r, container, err)
	}
	return &engine.Ran{Stdout: stdout.Bytes, Stderr: stderr.Bytes, Status: status}, nil
}

// socket is a client for WebSockets, which the API's client opens over a plain transport only: without repetition, and with the token of
// this moment.
func (e *Engine) socket() (*api.Client, error) {
	if _, err := e.connect(); err != nil {
		return nil, err
	}
	c := e.cfg.withEnvironment()
	token, err := c.token()
	if err != nil {
		return nil, &engine.ConfigError{Attribute: "token_file", Summary: "Nomad's token file cannot be read", Detail: err.Error(), Err: err}
	}
	transport := e.transport.Clone()
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"} // a WebSocket begins with that
	address := c.Address
	if strings.HasPrefix(address, "unix:") {
		address = "http://unix"
	}
	return api.NewClient(&api.Config{
		Address: address, Region: c.Region, SecretID: token, HttpAuth: c.basicAuth(), Headers: c.headers(), HttpClient: &http.Client{Transport: transport, Timeout: handshake},
	})
}

// handshake of a WebSocket may take this long, which no context bounds.
const handshake = 10 * time.Second

// notRun says why a command was not run.
func (e *Engine) notRun(k topology.Key, r engine.Replica, container string, err error) error {
	doing := fmt.Sprintf("run a command in the container %q of the allocation %s of %s", container, r.ID[:8], object(k))
	text := body(err)
	switch {
	case (status(err) == http.StatusForbidden || text == permissionDenied) && e.known():
		return &engine.NotPermittedError{
			Container: container, Replica: "the allocation " + r.ID[:8] + " of " + object(k),
			Right: "the capability alloc-exec in the namespace " + k.Namespace + " (alloc-node-exec, where the driver isolates no file system)", Err: errors.New(text),
		}
	case status(err) == http.StatusNotFound, strings.Contains(text, "Unknown allocation"), strings.Contains(text, "not running"):
		return fmt.Errorf("container %q of the allocation %s of %s: %w", container, r.ID[:8], object(k), engine.ErrNotRunning)
	}
	return e.fault(doing, err)
}
