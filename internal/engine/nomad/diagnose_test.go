package nomad

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func event(kind, text string, age time.Duration, details ...string) *api.TaskEvent {
	e := &api.TaskEvent{Type: kind, DisplayMessage: text, Time: time.Now().Add(-age).UnixNano(), Details: map[string]string{}}
	for i := 0; i+1 < len(details); i += 2 {
		e.Details[details[i]] = details[i+1]
	}
	return e
}

func TestAContainerIsGivenUpOnlyWhenWaitingIsOfNoUse(t *testing.T) {
	ended := event(api.TaskTerminated, "Exit Code: 1", time.Second)
	for _, tc := range []struct {
		name     string
		state    api.TaskState
		restarts uint64
		batch    bool
		reason   string // empty: go on waiting
	}{
		{name: "it runs", state: api.TaskState{State: "running"}},
		{name: "it has ended once", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{ended}}, restarts: 1},
		{name: "it has ended three times", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{ended}}, restarts: 3, reason: "CrashLoopBackOff"},
		{name: "it was killed for its memory", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{event(api.TaskTerminated, "", 0, "oom_killed", "true")}}, restarts: 3, reason: "OOMKilled"},
		{name: "the registry was away for a moment", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{event(api.TaskDriverFailure, "", 0, "driver_error", "Failed to pull x: i/o timeout")}}, restarts: 1},
		{name: "the registry stays away", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{event(api.TaskDriverFailure, "", 0, "driver_error", "Failed to pull x: i/o timeout")}}, restarts: 3, reason: "ImagePullBackOff"},
		{name: "the registry knows no such image", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{event(api.TaskDriverFailure, "", 0, "driver_error", "Failed to pull x: not found")}}, reason: "ImagePullBackOff"},
		{name: "the driver refuses for good", state: api.TaskState{State: "dead", Failed: true, Events: []*api.TaskEvent{event(api.TaskDriverFailure, "", 0, "driver_error", "no such device")}}, reason: "CreateContainerError"},
		{name: "an older refusal is over", state: api.TaskState{State: "running", Events: []*api.TaskEvent{event(api.TaskDriverFailure, "pull not found", time.Minute), ended}}},
		{name: "an image that was missing is there now", state: api.TaskState{State: "running", Events: []*api.TaskEvent{event(api.TaskDriverFailure, "", time.Minute, "driver_error", "Failed to pull x: not found"), event(api.TaskStarted, "", 0)}}, restarts: 1},
		{name: "a template has just begun to wait", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{event("Template", "Missing: x", time.Second)}}},
		{name: "a template waits for ever", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{event("Template", "Missing: x", time.Minute)}}, reason: "CreateContainerConfigError"},
		{name: "a template that was missing something is there", state: api.TaskState{State: "running", Events: []*api.TaskEvent{event("Template", "Missing: x", time.Minute), event(api.TaskStarted, "", 0)}}},
		{name: "it cannot be set up", state: api.TaskState{State: "dead", Failed: true, Events: []*api.TaskEvent{event(api.TaskSetupFailure, "no space", 0)}}, reason: "CreateContainerConfigError"},
		{name: "a batch job still retries", state: api.TaskState{State: "pending", Events: []*api.TaskEvent{ended}}, restarts: 5, batch: true},
		{name: "a batch job has no retry left", state: api.TaskState{State: "dead", Failed: true, Events: []*api.TaskEvent{ended}}, restarts: 5, batch: true, reason: "BackoffLimitExceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := taskFailure(&tc.state, tc.restarts, tc.batch)
			if tc.reason == "" {
				assert.Nil(t, f)
				return
			}
			require.NotNil(t, f)
			assert.Equal(t, tc.reason, f.reason)
		})
	}
}

func TestRestartsFromBeforeTheWaitDoNotCount(t *testing.T) {
	yes := true
	for _, tc := range []struct {
		name   string
		change func(a *api.AllocationListStub)
		counts bool
	}{
		{"it has been healthy", func(a *api.AllocationListStub) { a.DeploymentStatus = &api.AllocDeploymentStatus{Healthy: &yes} }, false},
		{"it was updated in place, and its health is not known yet", func(a *api.AllocationListStub) { a.CreateTime = 5 }, false},
		{"it is new", func(*api.AllocationListStub) {}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := &api.AllocationListStub{ID: "a", TaskGroup: "main", CreateTime: 20, TaskStates: map[string]*api.TaskState{
				"logs": {State: "running", Restarts: 40, Events: []*api.TaskEvent{event(api.TaskTerminated, "killed", 0)}},
			}}
			tc.change(a)
			w := waiter{restarts: map[string]uint64{}, job: &api.Job{SubmitTime: new(int64(10))}}
			if tc.counts {
				require.NotNil(t, w.broken(a))
				return
			}
			require.Nil(t, w.broken(a))
			a.TaskStates["logs"].Restarts = 42
			require.Nil(t, w.broken(a))
			a.TaskStates["logs"].Restarts = 43
			require.NotNil(t, w.broken(a), "three ends since the wait began")
		})
	}
}

func TestTheSchedulersFiguresBecomeASentence(t *testing.T) {
	for _, tc := range []struct {
		name   string
		metric *api.AllocationMetric
		want   string
	}{
		{"nothing is known", nil, "the scheduler gives no reason"},
		{"no node", &api.AllocationMetric{NodesAvailable: map[string]int{"dc2": 0}}, `no ready node is in the job's datacenters and node pool "default"; there are nodes in: dc2`},
		{"too small", &api.AllocationMetric{NodesEvaluated: 3, DimensionExhausted: map[string]int{"memory": 2}, ConstraintFiltered: map[string]int{"missing drivers": 1}}, `of 3 nodes, 1 do not fulfil "missing drivers"; 2 have not enough of: memory`},
		{"a quota", &api.AllocationMetric{NodesEvaluated: 1, QuotaExhausted: []string{"cpu"}}, "of 1 nodes, the quota is exhausted: cpu"},
	} {
		t.Run(tc.name, func(t *testing.T) { assert.Equal(t, tc.want, whyNot(tc.metric)) })
	}
}
