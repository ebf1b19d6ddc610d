//go:build engine

package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineRunsAnInstanceFromItsCreationToItsEnd(t *testing.T) {
	s := newStage(t)
	web := s.demo(2)
	web.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "one"}}}
	web.Groups[0].Volumes = []topology.Volume{{Name: "settings", Config: "settings"}}
	web.Groups[0].Containers[0].Mounts = []topology.Mount{{Volume: "settings", Path: "/etc/settings", ReadOnly: true}}

	_, err := s.engine.Observe(s.ctx, web)
	require.ErrorIs(t, err, engine.ErrNotFound)

	first := s.requests.during(func() { s.up(web) })
	t.Logf("first apply with its wait: %d requests", first)
	var seen *engine.Observation
	refresh := s.requests.during(func() { seen = s.observe(web) })
	t.Logf("refresh: %d requests", refresh)
	assert.LessOrEqual(t, first+refresh, 15)
	assert.LessOrEqual(t, refresh, 3)

	assert.Equal(t, "ready", seen.Phase, seen.Message)
	assert.Equal(t, engine.GroupStatus{Desired: 2, Ready: 2, Updated: 2}, seen.Groups["main"])
	assert.Empty(t, seen.Drift)
	assert.Equal(t, web.Revision(), seen.Revision)
	assert.Equal(t, map[string][]string{"http": {"web." + s.namespace + ".svc:80"}}, seen.Endpoints)
	assert.Len(t, seen.Objects, 4)

	again := s.requests.during(func() {
		require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
		require.NoError(t, s.wait(web, time.Minute))
	})
	t.Logf("apply again: %d requests", again)

	require.NoError(t, s.engine.Delete(s.within(time.Minute), web.Key()))
	assert.Empty(t, s.kubectl("get", "pods,configmaps,deployments,services", "-l", instanceSelector(web.Key()), "-o", "name"))
	_, err = s.engine.Observe(s.ctx, web)
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.NoError(t, s.engine.Delete(s.ctx, web.Key()), "the second deletion is no error")
}
