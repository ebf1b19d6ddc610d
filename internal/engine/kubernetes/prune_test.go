package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestWhatIsOfAGroupThatIsNoMoreIsKnownByItsLabel(t *testing.T) {
	top := &topology.Topology{Groups: []topology.Group{{Name: "main"}}}
	for group, want := range map[string]bool{"main": false, "": false, "other": true} {
		o := &Object{Object: map[string]any{}}
		if group != "" {
			o.SetLabels(map[string]string{labelGroup: group})
		}
		assert.Equal(t, want, left(top, o), group)
	}
}

func TestAWorkloadIsInTheWayWhereItHoldsADiskThatAGroupWants(t *testing.T) {
	mounting := func(claim string) *Object {
		return &Object{Object: map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"volumes": []any{
			map[string]any{"name": "tmp", "emptyDir": map[string]any{}},
			map[string]any{"name": "data", "persistentVolumeClaim": map[string]any{"claimName": claim}},
		}}}}}}
	}
	wanting := func(p topology.PersistentVolume) *topology.Topology {
		return &topology.Topology{Groups: []topology.Group{{Name: "new", Volumes: []topology.Volume{{Name: "data", Persistent: &p}}}}}
	}
	for _, c := range []struct {
		name string
		t    *topology.Topology
		want bool
	}{
		{"the same disk", wanting(topology.PersistentVolume{Existing: "disk"}), true},
		{"one that many machines mount", wanting(topology.PersistentVolume{Existing: "disk", Shared: true}), false},
		{"another disk", wanting(topology.PersistentVolume{Existing: "other"}), false},
		{"a disk of its own", wanting(topology.PersistentVolume{SizeBytes: 1}), false},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, inTheWay(c.t, mounting("disk"))) })
	}
	assert.False(t, inTheWay(wanting(topology.PersistentVolume{Existing: "disk"}), &Object{Object: map[string]any{"kind": "Service"}}))
}

func TestAPodIsWaitedForAsLongAsItsGraceLasts(t *testing.T) {
	now := time.Now()
	pod := func(phase string, at *time.Time) *Object {
		o := &Object{Object: map[string]any{"status": map[string]any{"phase": phase}}}
		if at != nil {
			o.SetDeletionTimestamp(&metav1.Time{Time: *at})
		}
		return o
	}
	assert.False(t, ending(pod("Running", nil), now))
	assert.True(t, ending(pod("Running", new(now.Add(time.Second))), now))
	assert.False(t, ending(pod("Succeeded", new(now.Add(time.Second))), now))
	assert.False(t, ending(pod("Running", new(now.Add(-time.Minute))), now))
}
