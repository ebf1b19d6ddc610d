package nomad

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestANewReplicaStandsBesideTheOldOneWhereItHasRoom(t *testing.T) {
	for _, tc := range []struct {
		name   string
		top    *topology.Topology
		change func(g *topology.Group)
		canary int
	}{
		{"interchangeable replicas", minimal(), nil, 1},
		{"an autoscaler's", autoscaled(), nil, 1},
		{"stable ones, whose index is theirs alone", stable(), nil, 0},
		{"a fixed port of the machine", onNodePort(), nil, 0},
		{"a node for each", minimal(), func(g *topology.Group) { g.Spread = []topology.Spread{{Over: "node", Required: true}} }, 0},
		{"a node for each, if possible", minimal(), func(g *topology.Group) { g.Spread = []topology.Spread{{Over: "node"}} }, 1},
		{"a volume of one writer", minimal(), func(g *topology.Group) {
			g.Volumes = []topology.Volume{{Name: "a", Persistent: &topology.PersistentVolume{}}}
		}, 0},
		{"a volume of many", minimal(), func(g *topology.Group) {
			g.Volumes = []topology.Volume{{Name: "a", Persistent: &topology.PersistentVolume{Shared: true}}}
		}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := &tc.top.Groups[0]
			if tc.change != nil {
				tc.change(g)
			}
			u := update(g, portsOf(g))
			assert.Equal(t, tc.canary, *u.Canary)
			assert.Equal(t, tc.canary == 1, *u.AutoPromote)
			assert.False(t, *u.AutoRevert, "the provider rolls back")
		})
	}
	assert.Nil(t, update(&batch().Groups[0], groupPorts{}))
}

func TestTheDeadlinesOfAnUpdateAreInNomadsOrder(t *testing.T) {
	for _, progress := range []int{0, 1, 5, 60, 3600} {
		for _, ready := range []int{0, 1, 30, 600} {
			g := minimal().Groups[0]
			g.Update = topology.Update{MinReadySeconds: ready, ProgressSeconds: progress}
			g.Termination.GraceSeconds = 45
			u := update(&g, groupPorts{})
			assert.Less(t, *u.MinHealthyTime, *u.HealthyDeadline)
			assert.Less(t, *u.HealthyDeadline, *u.ProgressDeadline)
			assert.GreaterOrEqual(t, *u.MinHealthyTime, time.Duration(ready)*time.Second)
			assert.GreaterOrEqual(t, *u.ProgressDeadline, 45*time.Second, "as long as a replica has to end")
		}
	}
}
