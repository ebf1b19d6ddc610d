package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
)

func TestTheNewestReplicaIsOneInWhichTheContainerRuns(t *testing.T) {
	alloc := func(id string, index uint64, desired, state string) *api.AllocationListStub {
		return &api.AllocationListStub{ID: id, CreateIndex: index, DesiredStatus: desired, TaskStates: map[string]*api.TaskState{"main": {State: state}}}
	}
	for _, c := range []struct {
		name   string
		allocs []*api.AllocationListStub
		want   string
	}{
		{"the last that was made", []*api.AllocationListStub{alloc("a", 1, "run", "running"), alloc("c", 3, "run", "running"), alloc("b", 2, "run", "running")}, "c"},
		{"not one that is about to start", []*api.AllocationListStub{alloc("a", 1, "run", "running"), alloc("b", 2, "run", "pending")}, "a"},
		{"not one that is to stop", []*api.AllocationListStub{alloc("a", 1, "run", "running"), alloc("b", 2, "stop", "running")}, "a"},
		{"unless there is no other", []*api.AllocationListStub{alloc("a", 1, "run", "dead"), alloc("b", 2, "stop", "running")}, "b"},
		{"none", []*api.AllocationListStub{alloc("a", 1, "run", "dead"), {ID: "b"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newestRunning(c.allocs, "main")
			if c.want == "" {
				assert.Nil(t, got)
				return
			}
			assert.Equal(t, c.want, got.ID)
		})
	}
}
