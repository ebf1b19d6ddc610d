package nomad

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// How much of a log is read for so many lines.
const (
	lineBytes = 4 << 10
	mostBytes = 1 << 20
)

// Tail lists the group's allocations and reads the newest one's log: two requests. See engine.Engine.
func (e *Engine) Tail(ctx context.Context, t *topology.Topology, group, container string, lines int) ([]string, error) {
	_, of, err := engine.Container(t, group, container)
	if err != nil {
		return nil, err
	}
	k := e.resolve(t.Key())
	allocs, err := e.running(ctx, k, group)
	if err != nil {
		return nil, err
	}
	newest := newestRunning(allocs, container)
	if newest == nil {
		return nil, fmt.Errorf("group %q of %s: %w", group, object(k), engine.ErrNotRunning)
	}
	stream := "stdout"
	if of.Framework {
		stream = "stderr"
	}
	text, cut, err := e.log(ctx, k.Namespace, newest.ID, container, stream, min(max(lastLogTail, lines*lineBytes), mostBytes))
	if status(err) == http.StatusNotFound { // it has ended since, or only just begun
		return nil, fmt.Errorf("container %q of the allocation %s of %s: %w", container, newest.ID[:8], object(k), engine.ErrNotRunning)
	}
	if err != nil {
		return nil, e.fault(fmt.Sprintf("read the log of %q in the allocation %s of %s", container, newest.ID[:8], object(k)), err)
	}
	return engine.LastLines(text, lines, cut), nil
}

// newestRunning is the replica that was made last of those in which a container runs; one that is to stop is worse than
// any other.
func newestRunning(allocs []*api.AllocationListStub, container string) *api.AllocationListStub {
	allocs = slices.DeleteFunc(slices.Clone(allocs), func(a *api.AllocationListStub) bool {
		s := a.TaskStates[container]
		return s == nil || s.State != "running"
	})
	if len(allocs) == 0 {
		return nil
	}
	stays := func(a *api.AllocationListStub) int {
		if a.DesiredStatus == api.AllocDesiredStatusRun {
			return 1
		}
		return 0
	}
	return slices.MaxFunc(allocs, func(a, b *api.AllocationListStub) int {
		return cmp.Or(cmp.Compare(stays(a), stays(b)), cmp.Compare(a.CreateIndex, b.CreateIndex))
	})
}

// log reads the last bytes of one stream of a container, by way of the servers, and tells whether there is more before.
func (e *Engine) log(ctx context.Context, namespace, alloc, task, stream string, last int) (text string, cut bool, err error) {
	c, err := e.connect()
	if err != nil {
		return "", false, err
	}
	query := url.Values{"task": {task}, "type": {stream}, "origin": {"end"}, "offset": {fmt.Sprint(last)}, "plain": {"true"}}
	body, err := c.Raw().Response("/v1/client/fs/logs/"+alloc+"?"+query.Encode(), e.query(ctx, namespace))
	if err != nil {
		return "", false, err
	}
	defer body.Close()
	// More may be written while it is read.
	raw, err := io.ReadAll(io.LimitReader(body, 2*int64(last)))
	return string(raw), len(raw) >= last, err
}
