//go:build engine

package nomad

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// scaler is who may scale the workers: it has the token of the server's own container.
func (r *rig) scaler(t *topology.Topology) *api.Client {
	r.Helper()
	var token string
	r.eventually(20, func() bool {
		var err error
		token, err = r.get(r.at(t, t.Name), "/env", values("name", "NOMAD_TOKEN"))
		return err == nil && token != ""
	}, "the server has a token")
	c, err := api.NewClient(&api.Config{Address: os.Getenv("NOMAD_ADDR"), SecretID: token})
	require.NoError(r, err)
	return c
}

// scale the workers as an autoscaler does, and again where Nomad has a deployment to finish first; tells for how long.
func (r *rig) scale(by *api.Client, t *topology.Topology, n int) time.Duration {
	r.Helper()
	begun := time.Now()
	var err error
	r.eventually(60, func() bool {
		_, _, err = by.Jobs().Scale(t.Name, "resize", &n, "as the test wants", false, nil, nil)
		return err == nil || status(err) != 400 || !strings.Contains(body(err), "active deployment")
	}, "Nomad lets it scale")
	require.NoError(r, err)
	return time.Since(begun)
}

// settled waits until as many workers run, and tells their indexes.
func (r *rig) settled(t *topology.Topology, n int) []string {
	r.Helper()
	held := false
	defer func() {
		if !held {
			r.tell(t)
		}
	}()
	r.eventually(60, func() bool {
		all := r.of(t, "resize")
		for _, a := range all {
			if a.ClientStatus != "running" {
				return false
			}
		}
		return len(all) == n
	}, fmt.Sprintf("%d workers run", n))
	held = true
	return sorted(r.of(t, "resize"))
}

// tell what Nomad knows of an instance, for who must find out why a test failed.
func (r *rig) tell(t *topology.Topology) {
	versions, _, _, err := r.client.Jobs().Versions(t.Name, false, nil)
	r.Log("versions", err)
	for _, v := range versions {
		for _, g := range v.TaskGroups {
			r.Logf("version %d of %s: %s has %d, %v", *v.Version, time.Unix(0, *v.SubmitTime).Format("05.000"), *g.Name, *g.Count, g.Tasks[len(g.Tasks)-1].Env["ROUND"])
		}
	}
	allocs, _, err := r.client.Jobs().Allocations(t.Name, true, nil)
	r.Log("allocations", err)
	for _, a := range allocs {
		r.Logf("%s of version %d: wanted %s (%s), is %s (%s)", a.Name, a.JobVersion, a.DesiredStatus, a.DesiredDescription, a.ClientStatus, a.ClientDescription)
	}
	deployments, _, err := r.client.Jobs().Deployments(t.Name, true, nil)
	r.Log("deployments", err)
	for _, d := range deployments {
		r.Logf("of version %d: %s (%s)", d.JobVersion, d.Status, d.StatusDescription)
		for _, name := range sorted(d.TaskGroups) {
			g := d.TaskGroups[name]
			r.Logf("  %s: %d of %d are healthy, %d canaries are wanted, %d are placed, promoted: %t", name, g.HealthyAllocs, g.DesiredTotal, g.DesiredCanaries, len(g.PlacedCanaries), g.Promoted)
		}
	}
	evals, _, err := r.client.Jobs().Evaluations(t.Name, nil)
	r.Log("evaluations", err)
	for _, e := range evals {
		r.Logf("%s: %s (%s)", e.TriggeredBy, e.Status, e.StatusDescription)
		for _, name := range sorted(e.FailedTGAllocs) {
			r.Logf("  %s has no place: %s", name, whyNot(e.FailedTGAllocs[name]))
		}
	}
}

func TestTheNumberThatAnAutoscalerChoseStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	assert.Equal(t, []string{"0"}, r.settled(top, 1), "who has not been scaled has one")
	by := r.scaler(top)
	queue := r.of(top, "queue")["0"].ID
	for round, n := range []int{0, 3, 1, 0} {
		t.Logf("scale to %d was blocked for %s", n, r.scale(by, top, n))
		t.Logf("scale to %d again was blocked for %s", n, r.scale(by, top, n))
		require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
		o := r.observe(top)
		assert.Empty(t, o.Drift)
		assert.Equal(t, engine.GroupStatus{Desired: n, Ready: n, Updated: n}, o.Groups["resize"])
		assert.Equal(t, "ready", o.Phase, o.Message)

		require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
		assert.Len(t, r.settled(top, n), n, "an apply of the same")
		assert.Equal(t, queue, r.of(top, "queue")["0"].ID, "scaling and an apply of the same leave the server in its place")

		top.Groups[1].Containers[1].Env = append(top.Groups[1].Containers[1].Env, topology.Env{Name: "ROUND", Value: fmt.Sprint(round)})
		require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 60), top, func(s string) { t.Log(s) }))
		assert.Len(t, r.settled(top, n), n, "an apply of another version")
		assert.Empty(t, r.observe(top).Drift)
		assert.Equal(t, queue, r.of(top, "queue")["0"].ID, "an update of the workers leaves the server in its place")
	}
}

func TestTheHighestIndexGoesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	by := r.scaler(top)
	queue := r.of(top, "queue")["0"].ID
	all := []string{"0", "1", "2", "3"}
	before := map[string]*api.AllocationListStub{}
	for _, n := range []int{4, 2, 3, 1, 4, 0, 2} {
		t.Logf("scale to %d was blocked for %s", n, r.scale(by, top, n))
		begun := time.Now()
		require.Equal(t, all[:n], append([]string{}, r.settled(top, n)...), "indexes are those from 0")
		t.Logf("which took %s", time.Since(begun))
		now := r.of(top, "resize")
		for index, a := range now {
			if was := before[index]; was != nil {
				assert.Equal(t, was.ID, a.ID, "who is not above the number stays")
			}
		}
		before = now
		// What the container itself sees is the same.
		for _, at := range r.observe(top).Endpoints[top.Name+"-resize/http"] {
			var index string
			r.eventually(10, func() bool {
				var err error
				index, err = r.get(at, "/env", values("name", "INDEX"))
				return err == nil
			}, "the worker answers")
			require.Contains(t, now, index)
		}
	}
	assert.Equal(t, queue, r.of(top, "queue")["0"].ID, "scaling leaves the server in its place")
}

func TestAnUpdateOfTheServerLeavesTheWorkersInPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	r.scale(r.scaler(top), top, 3)
	r.settled(top, 3)
	before, queue := r.of(top, "resize"), r.of(top, "queue")["0"].ID
	_, err := r.get(r.at(top, top.Name), "/write", values("path", "/data/word", "text", "kept"))
	require.NoError(t, err)
	top.Groups[0].Containers[0].Env = append(top.Groups[0].Containers[0].Env, topology.Env{Name: "ROUND", Value: "2"})
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	require.NotEqual(t, queue, r.of(top, "queue")["0"].ID)
	assert.Equal(t, "kept", r.askAt(r.at(top, top.Name), "/file", "path", "/data/word"))
	after := r.of(top, "resize")
	require.Len(t, after, 3)
	for index, a := range before {
		assert.Equal(t, a.ID, after[index].ID)
		for task, s := range after[index].TaskStates {
			assert.Zero(t, s.Restarts, "%s of %s", task, index)
		}
	}
}

// roundTo is which version of an instance runs: a variable of the workers, and of the server.
func roundTo(t *topology.Topology, group int, round string) {
	containers := t.Groups[group].Containers
	c := &containers[len(containers)-1]
	for i := range c.Env {
		if c.Env[i].Name == "ROUND" {
			c.Env[i].Value = round
			return
		}
	}
	c.Env = append(c.Env, topology.Env{Name: "ROUND", Value: round})
}

func TestNeitherAnApplyNorAnAutoscalerLosesWhatTheOtherWants(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	by := r.scaler(top)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var scales, blocked int
	last := 1
	wg.Go(func() {
		for n := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond): // its pace, a quick one
			}
			want := n%3 + 1
			if _, _, err := by.Jobs().Scale(top.Name, "resize", &want, "as the test wants", false, nil, nil); err != nil {
				blocked++
				assert.Contains(t, err.Error(), "active deployment", "no other reason")
				continue
			}
			last = want
			n++
			scales++
		}
	})
	for round := range 4 {
		roundTo(top, 1, fmt.Sprint(round))
		require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
		require.NoError(t, r.engine.Wait(within(t, 90), top, nil))
		job, err := r.engine.job(within(t, 10), r.engine.resolve(top.Key()))
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(round), job.TaskGroups[1].Tasks[1].Env["ROUND"], "what was applied holds")
	}
	close(stop)
	wg.Wait()
	t.Logf("%d scales, %d blocked", scales, blocked)
	assert.Positive(t, scales)
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Len(t, r.settled(top, last), last, "what was scaled to last holds")
	assert.Empty(t, r.observe(top).Drift)
}

func TestAScaleThatUndoesARegistrationIsSeen(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{"at once": 0, "a moment later": scaling / 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.pair()
			r.up(top)
			k := r.engine.resolve(top.Key())
			before, err := r.engine.job(within(t, 10), k)
			require.NoError(t, err)
			var once sync.Once
			var writing sync.WaitGroup
			late := New(Config{WrapTransport: func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(q *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(q)
					if q.Method == http.MethodPut && q.URL.Path == "/v1/jobs" {
						once.Do(func() { // what a scaling has read before is written after
							before.TaskGroups[1].Count = new(2)
							write := func() {
								_, _, err := r.client.Jobs().Register(before, nil)
								assert.NoError(t, err)
							}
							if later == 0 {
								write()
								return
							}
							writing.Go(func() { <-time.After(later); write() })
						})
					}
					return resp, err
				})
			}})
			roundTo(top, 1, "new")
			require.NoError(t, late.Apply(within(t, 30), top, engine.ApplyOptions{}))
			writing.Wait()
			after, err := r.engine.job(within(t, 10), k)
			require.NoError(t, err)
			assert.Equal(t, "new", after.TaskGroups[1].Tasks[1].Env["ROUND"])
			assert.Equal(t, 2, *after.TaskGroups[1].Count)
			require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
			assert.Len(t, r.settled(top, 2), 2)
		})
	}
}

func TestAScaleThatARegistrationUndoesIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	r.up(top)
	k := r.engine.resolve(top.Key())
	var once sync.Once
	late := New(Config{WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(q *http.Request) (*http.Response, error) {
			if q.Method == http.MethodPut && q.URL.Path == "/v1/jobs" {
				once.Do(func() { // Nomad has looked at the index, then something is written, then the job is
					was, err := r.engine.job(q.Context(), k)
					assert.NoError(t, err)
					r.scale(r.client, top, 2)
					now, err := r.engine.job(q.Context(), k)
					assert.NoError(t, err)
					raw, err := io.ReadAll(q.Body)
					assert.NoError(t, err)
					index := func(j *api.Job) string { return fmt.Sprintf(`"JobModifyIndex":%d,`, *j.JobModifyIndex) }
					changed := strings.ReplaceAll(string(raw), index(was), index(now))
					assert.NotEqual(t, string(raw), changed)
					q.Body, q.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
				})
			}
			return next.RoundTrip(q)
		})
	}})
	roundTo(top, 1, "new")
	require.NoError(t, late.Apply(within(t, 30), top, engine.ApplyOptions{}))
	after, err := r.engine.job(within(t, 10), k)
	require.NoError(t, err)
	assert.Equal(t, "new", after.TaskGroups[1].Tasks[1].Env["ROUND"])
	assert.Equal(t, 2, *after.TaskGroups[1].Count)
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Len(t, r.settled(top, 2), 2)
}

func TestTheServerScalesByTheSocketAndTheTokenThatNomadGivesIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		user *int64
	}{{"as the image's own user", nil}, {"as another user", new(int64(4004))}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.pair()
			top.Groups[0].Containers[0].Security.User = tc.user
			r.up(top)
			at := r.at(top, top.Name)
			_, err := r.get(at, "/scale", values("group", "resize", "count", "2"))
			require.NoError(t, err)
			r.settled(top, 2)
			_, err = r.get(r.at(top, top.Name+"-resize"), "/scale", values("group", "resize", "count", "3"))
			assert.Error(t, err, "the workers have no token")
		})
	}
}

func TestAScaleOutWithoutRoomBlocksNoLongerThanTheDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.pair()
	work := &top.Groups[1]
	work.Spread = []topology.Spread{{Over: "node", Required: true}}
	for i := range top.Groups {
		top.Groups[i].Update.ProgressSeconds = 20
	}
	r.up(top)
	nodes, _, err := r.client.Nodes().List(nil)
	require.NoError(t, err)
	by := r.scaler(top)
	r.scale(by, top, len(nodes)+1)
	var begun *api.Deployment
	r.eventually(20, func() bool {
		job, _, err := r.client.Jobs().Info(top.Name, nil)
		if err != nil {
			return false
		}
		begun, _, err = r.client.Jobs().LatestDeployment(top.Name, nil)
		return err == nil && begun != nil && begun.JobVersion == *job.Version
	}, "its deployment begins")
	blocked := r.scale(by, top, len(nodes))
	ended, _, err := r.client.Deployments().Info(begun.ID, nil)
	require.NoError(t, err)
	t.Logf("the deployment is %s: %s", ended.Status, ended.StatusDescription)
	t.Logf("the next scaling was blocked for %s", blocked)
	assert.Less(t, blocked, 30*time.Second)
	assert.Greater(t, blocked, 10*time.Second, "or nothing was in the way")
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	r.settled(top, len(nodes))
	assert.Equal(t, "ready", r.observe(top).Phase)
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
}

func TestAScaleOutFromNothingWaitsForRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top, other := r.pair(), r.serving()
	other.Name += "-x"
	const port = 31877 // of the only node, so that there is no room for two
	expose := func(g *topology.Group, name string) {
		g.Services = []topology.Service{{Name: name, Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http", NodePort: port}}}}
	}
	expose(&top.Groups[1], top.Name+"-resize")
	expose(&other.Groups[0], other.Name)
	r.cleanup(other)
	for i := range top.Groups {
		top.Groups[i].Update.ProgressSeconds = 12
	}
	r.up(top)
	by := r.scaler(top)
	r.scale(by, top, 0)
	r.settled(top, 0)
	r.up(other)
	r.scale(by, top, 1)
	// A group of which no replica is placed has no deadline for progress, so the number holds until there is room.
	two := 2
	refused := func() bool {
		_, _, err := by.Jobs().Scale(top.Name, "resize", &two, "as the test wants", false, nil, nil)
		return status(err) == 400
	}
	r.eventually(20, refused, "its deployment begins")
	assert.Never(t, func() bool { return !refused() }, 15*time.Second, time.Second, "which stands in the way of another number, beyond its deadline")
	require.NoError(t, r.engine.Delete(within(t, 60), other.Key()))
	r.settled(top, 1)
	r.scale(by, top, 0)
	r.settled(top, 0)
}
