package nomad

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scene is what the watches of a job of version 2 have seen.
func scene(change func(w *waiter)) *waiter {
	job := &api.Job{
		ID: new("web"), Version: new(uint64(2)), JobModifyIndex: new(uint64(20)), CreateIndex: new(uint64(10)),
		TaskGroups: []*api.TaskGroup{{Name: new("main"), Count: new(2)}},
	}
	w := &waiter{job: job, counts: groupCounts(job), begun: time.Now(), restarts: map[string]uint64{}}
	w.evals = []*api.Evaluation{{JobModifyIndex: 20, Status: api.EvalStatusComplete, TriggeredBy: "job-register"}}
	w.deployment = &api.Deployment{JobVersion: 2, JobCreateIndex: 10, Status: api.DeploymentStatusRunning, StatusDescription: "Deployment is running", TaskGroups: map[string]*api.DeploymentState{"main": {}}}
	w.allocs = []*api.AllocationListStub{replica("a", 2, true), replica("b", 2, true)}
	change(w)
	return w
}

func replica(id string, version uint64, healthy bool) *api.AllocationListStub {
	return &api.AllocationListStub{
		ID: id, Name: "web.main[" + id + "]", TaskGroup: "main", JobVersion: version, DesiredStatus: "run", ClientStatus: "running",
		DeploymentStatus: &api.AllocDeploymentStatus{Healthy: &healthy}, TaskStates: map[string]*api.TaskState{"main": {State: "running"}},
	}
}

func TestWhenAJobIsThere(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(w *waiter)
		done   bool
		line   string
		reason string
	}{
		{"the scheduler has not looked yet", func(w *waiter) { w.evals[0].Status = api.EvalStatusPending }, false, "waiting for the scheduler", ""},
		{"only the evaluation of the former version is seen", func(w *waiter) { w.evals[0].JobModifyIndex = 19 }, false, "waiting for the scheduler", ""},
		{"the deployment still waits", func(w *waiter) {}, false, "group main: 2 of 2 ready (Deployment is running)", ""},
		{"the deployment has succeeded", func(w *waiter) { w.deployment.Status = api.DeploymentStatusSuccessful }, true, "group main: 2 of 2 ready", ""},
		{"it has succeeded, and a replica has been lost since", func(w *waiter) {
			w.deployment.Status = api.DeploymentStatusSuccessful
			w.allocs[1].ClientStatus = "pending"
		}, false, "group main: 1 of 2 ready", ""},
		{"a replica of an older version does not count", func(w *waiter) {
			w.allocs[1].JobVersion = 1
		}, false, "group main: 1 of 2 ready (Deployment is running)", ""},
		{"the deployment has failed", func(w *waiter) {
			w.deployment.Status, w.deployment.StatusDescription = api.DeploymentStatusFailed, "Failed due to progress deadline"
		}, false, "", "ProgressDeadlineExceeded"},
		{"another apply came between", func(w *waiter) { w.deployment.Status = api.DeploymentStatusCancelled }, false, "", "Superseded"},
		{"nothing had to be deployed", func(w *waiter) {
			w.deployment.JobVersion = 1
			w.allocs = []*api.AllocationListStub{replica("a", 1, true), replica("b", 1, true)}
		}, true, "group main: 2 of 2 ready", ""},
		{"a job of the same name was there before", func(w *waiter) {
			w.deployment.JobCreateIndex, w.deployment.Status = 1, api.DeploymentStatusFailed
		}, true, "group main: 2 of 2 ready", ""},
		{"no replica is wanted", func(w *waiter) {
			w.counts["main"], w.allocs, w.deployment = 0, nil, nil
		}, true, "group main: 0 of 0 ready", ""},
		{"a container crashes", func(w *waiter) {
			w.allocs[0].DeploymentStatus = nil
			w.allocs[0].TaskStates["main"] = &api.TaskState{State: "pending", Restarts: 3, Events: []*api.TaskEvent{event(api.TaskTerminated, "Exit Code: 1", 0)}}
		}, false, "", "CrashLoopBackOff"},
		{"a replica of a former version crashes", func(w *waiter) {
			old := replica("c", 1, false)
			old.TaskStates["main"] = &api.TaskState{State: "pending", Restarts: 3, Events: []*api.TaskEvent{event(api.TaskTerminated, "Exit Code: 1", 0)}}
			w.allocs = append(w.allocs, old)
		}, false, "group main: 2 of 2 ready (Deployment is running)", ""},
		{"a batch job runs", func(w *waiter) { w.batch, w.deployment = true, nil }, false, "group main: 0 of 2 ready", ""},
		{"a batch job has ended", func(w *waiter) {
			w.batch, w.deployment = true, nil
			for _, a := range w.allocs {
				a.ClientStatus = api.AllocClientStatusComplete
			}
		}, true, "group main: 2 of 2 ready", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			done, line, f := scene(tc.change).judge()
			if tc.reason != "" {
				require.NotNil(t, f)
				assert.Equal(t, tc.reason, f.reason)
				return
			}
			require.Nil(t, f)
			assert.Equal(t, tc.done, done)
			assert.Equal(t, tc.line, line)
		})
	}
}

func TestAGroupWithoutAPlaceIsGivenAWhile(t *testing.T) {
	w := scene(func(w *waiter) {
		w.allocs = []*api.AllocationListStub{replica("old", 1, true)}
		w.evals[0].FailedTGAllocs = map[string]*api.AllocationMetric{"main": {NodesEvaluated: 1, DimensionExhausted: map[string]int{"memory": 1}}}
	})
	require.Nil(t, w.placement(w.current()), "it may find one in a moment")
	w.blocked["main"] = time.Now().Add(-unplaceable)
	f := w.placement(w.current())
	require.NotNil(t, f, "the replica of the former version is no place for the new one")
	assert.Equal(t, "Unschedulable", f.reason)

	w.evals = append(w.evals, &api.Evaluation{JobModifyIndex: 20, Status: api.EvalStatusComplete, ModifyIndex: 30})
	assert.Nil(t, w.placement(w.current()), "a later evaluation has placed it")
	assert.Empty(t, w.blocked)

	w.evals[1].FailedTGAllocs = map[string]*api.AllocationMetric{"main": {ConstraintFiltered: map[string]int{"missing compatible host volumes": 1}}}
	w.job.TaskGroups[0].Volumes = map[string]*api.VolumeRequest{"data": {AccessMode: "single-node-multi-writer"}}
	w.blocked = map[string]time.Time{"main": time.Now().Add(-unplaceable)}
	assert.Nil(t, w.placement(w.current()), "its node has yet to tell of the volume that was made")
}

func TestADeploymentIsStuckOnlyIfNothingElseCanEndIt(t *testing.T) {
	sticking := func(w *waiter) {
		w.deployment.TaskGroups["main"] = &api.DeploymentState{DesiredTotal: 2, HealthyAllocs: 2, DesiredCanaries: 1}
	}
	w := scene(sticking)
	require.True(t, stuck(w.job, w.deployment, w.allocs, w.evals))
	for name, change := range map[string]func(w *waiter){
		"there is no deployment":                        func(w *waiter) { w.deployment = nil },
		"it is over":                                    func(w *waiter) { w.deployment.Status = api.DeploymentStatusSuccessful },
		"it is that of an older version":                func(w *waiter) { w.deployment.JobVersion = 1 },
		"it is that of a job of the same name":          func(w *waiter) { w.deployment.JobCreateIndex = 1 },
		"no canary is wanted":                           func(w *waiter) { w.deployment.TaskGroups["main"].DesiredCanaries = 0 },
		"the canary is placed":                          func(w *waiter) { w.deployment.TaskGroups["main"].PlacedCanaries = []string{"a"} },
		"it is promoted":                                func(w *waiter) { w.deployment.TaskGroups["main"].Promoted = true },
		"a replica is not counted yet":                  func(w *waiter) { w.deployment.TaskGroups["main"].HealthyAllocs = 1 },
		"a replica of the former version is to replace": func(w *waiter) { w.allocs[1].JobVersion = 1 },
		"a replica is not healthy":                      func(w *waiter) { w.allocs[1].DeploymentStatus.Healthy = new(false) },
		"a replica has no health yet":                   func(w *waiter) { w.allocs[1].DeploymentStatus = nil },
		"the scheduler will look once more":             func(w *waiter) { w.evals[0].Status = api.EvalStatusPending },
		"the scheduler waits for room":                  func(w *waiter) { w.evals[0].Status = api.EvalStatusBlocked },
	} {
		t.Run(name, func(t *testing.T) {
			w := scene(sticking)
			change(w)
			assert.False(t, stuck(w.job, w.deployment, w.allocs, w.evals))
		})
	}
	w.allocs = append(w.allocs, replica("old", 1, true))
	w.allocs[2].DesiredStatus = "stop"
	assert.True(t, stuck(w.job, w.deployment, w.allocs, w.evals), "a replica that ends is not waited for")
	w.deployment.TaskGroups["other"] = &api.DeploymentState{DesiredTotal: 1}
	assert.True(t, stuck(w.job, w.deployment, w.allocs, w.evals), "another group does not promote it")
}
