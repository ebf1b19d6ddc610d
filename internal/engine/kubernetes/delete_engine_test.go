//go:build engine

package kubernetes

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineNamesWhatADeletionWaitsFor(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	s.up(web)
	s.kubectl("patch", "service", "web", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/keep"]}}`)
	want := []string{
		"v1/ConfigMap " + s.namespace + "/web.sidecar (finalizers: foregroundDeletion)",
		"v1/Service " + s.namespace + "/web (finalizers: example.com/keep)",
	}
	var remains *engine.RemainsError
	for range 6 { // until the Pods have ended, the Deployment remains as well
		require.ErrorAs(t, s.engine.Delete(s.within(5*time.Second), web.Key()), &remains)
		if len(remains.Objects) == len(want) {
			break
		}
	}
	assert.Equal(t, want, remains.Objects)
	assert.Equal(t, "deleting", s.observe(web).Phase)

	s.kubectl("patch", "service", "web", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	require.NoError(t, s.engine.Delete(s.within(time.Minute), web.Key()))
}

func TestEngineCreatesAgainWhatIsStillBeingDeleted(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Termination.DrainSeconds = 4 // so long does the old replica stay
	s.up(web)
	// The deletion is interrupted at once, and goes on in the cluster.
	require.Error(t, s.engine.Delete(s.within(time.Second), web.Key()))
	require.NotNil(t, s.live("v1", "ConfigMap", "web.sidecar"))
	s.up(web)
	assert.Equal(t, "ready", s.observe(web).Phase)
}

func TestEngineSaysWhatAnEarlierDeletionStillWaitsFor(t *testing.T) {
	s := newStage(t)
	web := s.demo(0)
	s.up(web)
	s.kubectl("patch", "service", "web", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/keep"]}}`)
	var remains *engine.RemainsError
	require.ErrorAs(t, s.engine.Delete(s.within(3*time.Second), web.Key()), &remains)
	require.ErrorAs(t, s.engine.Apply(s.within(3*time.Second), web, engine.ApplyOptions{Create: true}), &remains)
	assert.Contains(t, remains.Error(), "Service "+s.namespace+"/web (finalizers: example.com/keep)")
	s.kubectl("patch", "service", "web", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
}

func TestEngineDeletesOnceHoweverManyAsk(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	s.up(web)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { assert.NoError(t, s.newEngine(&counter{}).Delete(s.within(time.Minute), web.Key())) })
	}
	all.Wait()
	assert.Empty(t, s.kubectl("get", "pods,configmaps,deployments,services", "-l", instanceSelector(web.Key()), "-o", "name"))
}

func TestEngineDoesNotBringBackWhatIsDeletedDuringAWait(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Containers[0].Probes.Readiness.DelaySeconds = 3
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	waited := make(chan error, 1)
	go func() { waited <- s.wait(web, time.Minute) }()
	require.NoError(t, s.newEngine(&counter{}).Delete(s.within(time.Minute), web.Key()))
	err := <-waited
	var not *engine.NotReadyError
	require.ErrorAs(t, err, &not)
	assert.Equal(t, "Missing", not.Reason)
	assert.Nil(t, s.live("v1", "ConfigMap", "web.sidecar"))
}

func TestEngineKeepsDataUnlessToldOtherwise(t *testing.T) {
	s := newStage(t)
	db := s.demo(2)
	g := &db.Groups[0]
	g.Name, g.Identity = "db", topology.Stable
	g.Volumes = []topology.Volume{
		{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20}},
		{Name: "scratch", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}},
	}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "data", Path: "/data"}, {Volume: "scratch", Path: "/scratch"}}
	g.Containers[0].Env = []topology.Env{{Name: "INDEX", Field: topology.FieldIndex}, {Name: "REPLICA", Field: topology.FieldReplica}}
	one := s.demo(1).Groups[0]
	one.Services = nil
	one.Volumes = []topology.Volume{{Name: "keep", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20}}, {Name: "drop", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}}}
	db.Groups = append(db.Groups, one)
	s.up(db)
	require.Empty(t, s.observe(db).Drift)
	s.kubectl("exec", "web-db-1", "--", "/demo", "write", "/data/x", "kept")

	require.NoError(t, s.engine.Delete(s.within(time.Minute), db.Key()))
	assert.ElementsMatch(t, []string{"persistentvolumeclaim/data-web-db-0", "persistentvolumeclaim/data-web-db-1", "persistentvolumeclaim/web-keep"},
		strings.Fields(s.kubectl("get", "persistentvolumeclaims", "-o", "name")))

	s.up(db)
	assert.Equal(t, "kept", s.kubectl("exec", "web-db-1", "--", "/demo", "cat", "/data/x"))
	require.NoError(t, s.engine.Delete(s.within(time.Minute), db.Key()))
}
