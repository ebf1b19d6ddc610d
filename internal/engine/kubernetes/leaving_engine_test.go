//go:build engine

package kubernetes

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// named is the demo group under another name, with a Service of its own.
func (s *stage) named(name string) topology.Group {
	g := s.demo(1).Groups[0]
	g.Name = name
	g.Services = []topology.Service{{Name: "web-" + name, Headless: true, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}
	g.Extras = map[string]json.RawMessage{"kubernetes": json.RawMessage(`{"max_unavailable": "1"}`)}
	return g
}

func TestEngineKeepsAGroupThatGoesUntilTheOthersAreReady(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups = append(web.Groups, s.named("old"))
	s.up(web)

	next := s.demo(1)
	next.Groups = append(next.Groups, s.named("new"))
	next.Groups[1].Containers[0].Args = []string{"serve", ":8081"} // not where it is asked, so it is never ready
	require.NoError(t, s.engine.Apply(s.ctx, next, engine.ApplyOptions{}))
	require.Error(t, s.wait(next, 10*time.Second))
	there := func(kind, name string) bool { return s.live(apiOf(kind), kind, name) != nil }
	for _, kind := range []string{"Deployment", "Service", "PodDisruptionBudget"} {
		assert.True(t, there(kind, "web-old"), "%s of the old group", kind)
	}
	d := typed[appsv1.Deployment](s.live("apps/v1", "Deployment", "web-old"))
	assert.EqualValues(t, 1, d.Status.AvailableReplicas, "it serves")

	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	assert.True(t, there("Deployment", "web-old"), "it was rolled back")
	for _, kind := range []string{"Deployment", "Service", "PodDisruptionBudget"} {
		assert.False(t, there(kind, "web-new"), "%s of the new group", kind)
	}

	next = s.demo(1)
	next.Groups = append(next.Groups, s.named("new"))
	require.NoError(t, s.engine.Apply(s.ctx, next, engine.ApplyOptions{}))
	require.NoError(t, s.wait(next, time.Minute))
	assert.True(t, there("Deployment", "web-new"))
	for _, kind := range []string{"Deployment", "Service", "PodDisruptionBudget"} {
		assert.False(t, there(kind, "web-old"), "%s of the old group", kind)
	}
	assert.Empty(t, s.observe(next).Drift)
}

func apiOf(kind string) string {
	for _, k := range kinds {
		if k.name == kind {
			return k.apiVersion
		}
	}
	return ""
}
