//go:build engine

package nomad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

var errKilled = errors.New("killed")

// mortal is a transport that dies before its n-th request that changes something, as a killed process would.
type mortal struct {
	next http.RoundTripper
	left atomic.Int64
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && m.left.Add(-1) < 0 {
		return nil, errKilled
	}
	return m.next.RoundTrip(r)
}

// dying engine that makes n writes.
func dying(n int) *Engine {
	return New(Config{WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		m := &mortal{next: next}
		m.left.Store(int64(n))
		return m
	}})
}

func TestAnInterruptedApplyIsTakenUpAndAnInterruptedDeleteToo(t *testing.T) {
	for writes := range 6 {
		t.Run(fmt.Sprintf("after %d writes", writes), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.serving()
			g := &top.Groups[0]
			g.Grants = []topology.Grant{{Verb: topology.GrantObserve}}
			g.Volumes = []topology.Volume{{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}}}
			g.Containers[0].Mounts = []topology.Mount{{Volume: "data", Path: "/data"}}

			err := dying(writes).Apply(within(t, 30), top, engine.ApplyOptions{Create: true})
			if writes < 4 { // variable, policy, volume, job
				require.ErrorIs(t, err, errKilled)
			} else {
				require.NoError(t, err)
			}
			// Another spec in the mean time: what is not complete may be taken over.
			top.Spec = json.RawMessage(`{"name":"y"}`)
			r.up(top)
			assert.Empty(t, r.observe(top).Drift)

			err = dying(writes).Delete(within(t, 60), top.Key())
			if writes < 5 { // the job twice, volume, policy, variable
				require.ErrorIs(t, err, errKilled)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, r.engine.Delete(within(t, 60), top.Key()))
			there, err := r.engine.hostVolumes(within(t, 10), topology.Key{Namespace: "default"})
			require.NoError(t, err)
			assert.NotContains(t, there, top.Name+"-data")
			_, _, err = r.client.ACLPolicies().Info(policyName(topology.Key{Namespace: "default", Name: top.Name}, "main"), nil)
			assert.Equal(t, 404, status(err))
			list, _, err := r.client.Variables().PrefixList(variablePath(top.Name), nil)
			require.NoError(t, err)
			assert.Empty(t, list)
		})
	}
}

func TestACreationDoesNotTakeWhatOthersHave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	r.up(top)
	var exists *engine.ExistsError

	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}), "the same spec is adopted")
	other := *top
	other.Spec = json.RawMessage(`{"name":"other"}`)
	require.True(t, errors.As(r.engine.Apply(within(t, 30), &other, engine.ApplyOptions{Create: true}), &exists))
	pattern := *top
	pattern.Pattern = "adapter"
	require.True(t, errors.As(r.engine.Apply(within(t, 30), &pattern, engine.ApplyOptions{Create: true}), &exists))
	assert.Contains(t, exists.Owner, "sidecar")
	require.NoError(t, r.engine.Delete(within(t, 30), pattern.Key()))
	assert.Len(t, r.allocs(top), 1, "the deletion of an adapter does not touch a sidecar of the same name")
	_, err := r.engine.Lookup(within(t, 10), pattern.Key())
	require.ErrorIs(t, err, engine.ErrNotFound)

	list, err := r.engine.List(within(t, 30), "", "sidecar")
	require.NoError(t, err)
	var names []string
	for _, rec := range list {
		names = append(names, rec.Key.Name)
	}
	assert.Contains(t, names, top.Name)

	job, _, err := r.client.Jobs().Info(top.Name, nil)
	require.NoError(t, err)
	foreign := r.serving()
	foreign.Name += "f"
	id := foreign.Name
	job.ID, job.Name, job.Meta = &id, &id, nil
	_, _, err = r.client.Jobs().Register(job, nil)
	require.NoError(t, err)
	t.Cleanup(func() { r.purge(id) })
	require.True(t, errors.As(r.engine.Apply(within(t, 30), foreign, engine.ApplyOptions{Create: true}), &exists))
	require.NoError(t, r.engine.Delete(within(t, 30), foreign.Key()))
	_, _, err = r.client.Jobs().Info(id, nil)
	require.NoError(t, err, "a job of others is not deleted")
}

func TestADeletionThatTakesTooLongSaysWhatRemains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Groups[0].Termination.GraceSeconds = 20
	c := &top.Groups[0].Containers[0]
	c.Env = append(c.Env, topology.Env{Name: "AFTER", Value: "6s"})
	r.up(top)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := r.engine.Delete(ctx, top.Key())
	var remains *engine.RemainsError
	require.True(t, errors.As(err, &remains), "%v", err)
	require.Len(t, remains.Objects, 1)
	assert.Contains(t, remains.Objects[0], "allocation")
	require.NoError(t, r.engine.Delete(within(t, 60), top.Key()), "and goes on where it ended")
}

// flaky is a transport that loses its blocking queries for a while, as when a server restarts.
type flaky struct {
	next http.RoundTripper
	lost atomic.Int64
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("index") && f.lost.Add(1) <= 6 {
		return nil, errKilled
	}
	return f.next.RoundTrip(r)
}

func TestAWaitOutlivesThePassingTroubleOfAServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	f := &flaky{}
	e := New(Config{WrapTransport: func(next http.RoundTripper) http.RoundTripper { f.next = next; return f }})
	require.NoError(t, e.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	require.NoError(t, e.Wait(within(t, 60), top, nil))
	assert.Greater(t, f.lost.Load(), int64(6))
}
