package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

const (
	within = 10 * time.Second
	tick   = 2 * time.Millisecond
)

// application notes what it is told.
type application struct {
	*httptest.Server
	mu  sync.Mutex
	all []string
	// answers by what was told; 200 if it is nil or gives 0.
	answers func(ctx context.Context, said string) int
}

func listen(t *testing.T) *application {
	t.Helper()
	a := &application{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e api.Election
		if !assert.NoError(t, json.NewDecoder(r.Body).Decode(&e)) {
			return
		}
		said := fmt.Sprintf("%s %s %d", r.URL.Path[1:], e.Name, e.Term)
		assert.Equal(t, r.URL.Path == "/elected", e.Self, said)
		a.mu.Lock()
		a.all = append(a.all, said)
		answers := a.answers
		a.mu.Unlock()
		if answers != nil {
			if status := answers(r.Context(), said); status != 0 {
				w.WriteHeader(status)
			}
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *application) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.all...)
}

func (a *application) callbacks(timeout time.Duration) *callbacks {
	return newCallbacks(config.Callbacks{OnElected: a.URL + "/elected", OnDemoted: a.URL + "/demoted", Timeout: config.Duration(timeout)}, slog.New(slog.DiscardHandler))
}

// views are what the elector tells, of elections that are all alike.
type views struct {
	mu      sync.Mutex
	is      election.Status
	until   time.Time
	changed chan struct{}
}

func (v *views) Names() []string { return []string{"one"} }

func (v *views) Status(string) (election.Status, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	is := v.is
	if is.Self {
		if is.ExpiresIn = time.Until(v.until); is.ExpiresIn <= 0 {
			return election.Status{Term: is.Term}, nil
		}
	}
	return is, nil
}

func (v *views) Changed() (<-chan struct{}, uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed, 0
}

func (v *views) tell(is election.Status, holds time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.is, v.until = is, time.Now().Add(holds)
	close(v.changed)
	v.changed = make(chan struct{})
}

func runs(t *testing.T, c *callbacks) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, c.run(ctx)) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func told(t *testing.T, a *application, timeout time.Duration) (*callbacks, *views) {
	t.Helper()
	c, v := a.callbacks(timeout), &views{changed: make(chan struct{})}
	c.agent = v
	runs(t, c)
	return c, v
}

func leading(term uint64) election.Status {
	return election.Status{Leader: "a", Self: true, Term: term}
}

func TestEachTermIsToldOnce(t *testing.T) {
	app := listen(t)
	_, v := told(t, app, time.Second)
	v.tell(election.Status{Leader: "b", Term: 1}, 0)
	v.tell(leading(2), time.Hour)
	require.Eventually(t, func() bool { return len(app.heard()) == 1 }, within, tick)
	for range 10 {
		v.tell(leading(2), time.Hour) // it was renewed
	}
	v.tell(leading(4), time.Hour) // another one has led, and nothing was heard of it
	require.Eventually(t, func() bool { return len(app.heard()) == 3 }, within, tick)
	v.tell(election.Status{Leader: "b", Term: 5}, 0)
	require.Eventually(t, func() bool { return len(app.heard()) == 4 }, within, tick)
	assert.Equal(t, []string{"elected one 2", "demoted one 2", "elected one 4", "demoted one 4"}, app.heard())
}

func TestWhatRunsOutIsToldAfterwards(t *testing.T) {
	app := listen(t)
	_, v := told(t, app, time.Second)
	begun := time.Now()
	v.tell(leading(1), 100*time.Millisecond)
	require.Eventually(t, func() bool { return len(app.heard()) == 2 }, within, tick)
	assert.Equal(t, []string{"elected one 1", "demoted one 1"}, app.heard())
	assert.GreaterOrEqual(t, time.Since(begun), 100*time.Millisecond)
	assert.Less(t, time.Since(begun), 5*time.Second)
}

func TestWhoIsElectedIsToldUntilItAnswers(t *testing.T) {
	app := listen(t)
	app.answers = func(_ context.Context, said string) int {
		if said == "elected one 1" && len(app.heard()) < 4 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	_, v := told(t, app, time.Second)
	v.tell(leading(1), time.Hour)
	require.Eventually(t, func() bool { return len(app.heard()) == 4 }, within, tick)
	v.tell(election.Status{Term: 1}, 0)
	require.Eventually(t, func() bool { return len(app.heard()) == 5 }, within, tick)
	assert.Equal(t, "demoted one 1", app.heard()[4])
}

func TestWhoNeverAnswersIsToldAsLongAsItLeads(t *testing.T) {
	app := listen(t)
	app.answers = func(ctx context.Context, said string) int {
		if said == "elected one 1" {
			<-ctx.Done()
		}
		return 0
	}
	c, v := told(t, app, 200*time.Millisecond)
	v.tell(leading(1), time.Hour)
	require.Eventually(t, func() bool { return len(app.heard()) == 2 }, within, tick, "it is told again")
	v.tell(election.Status{Term: 1, Leaving: true}, 0)
	begun := time.Now()
	c.demoted(t.Context(), "one")
	assert.Less(t, time.Since(begun), time.Second, "the answer of what is no more so is not waited for")
	assert.Equal(t, []string{"elected one 1", "elected one 1", "demoted one 1"}, app.heard())
}

func TestAnAnswerIsWaitedForOnlySoLong(t *testing.T) {
	app := listen(t)
	app.answers = func(ctx context.Context, said string) int {
		if said == "demoted one 1" {
			<-ctx.Done()
		}
		return 0
	}
	c, v := told(t, app, 200*time.Millisecond)
	v.tell(leading(1), time.Hour)
	require.Eventually(t, func() bool { return len(app.heard()) == 1 }, within, tick)
	v.tell(election.Status{Term: 1, Leaving: true}, 0)
	begun := time.Now()
	c.demoted(t.Context(), "one")
	assert.InDelta(t, 0.2, time.Since(begun).Seconds(), 0.1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.demoted(ctx, "one")
}

// joins an agent that tells an application.
func joins(t *testing.T, s store.Store, name string, shards int, c *callbacks) *election.Agent {
	t.Helper()
	o := election.Options{
		Store: s, Clock: election.System(), Member: name, Slots: 4, Elections: []string{"one"}, Auto: true, Log: slog.New(slog.DiscardHandler),
		Lease: election.Lease{Duration: 1200 * time.Millisecond, RenewDeadline: 800 * time.Millisecond, RetryPeriod: 200 * time.Millisecond},
	}
	if shards > 0 {
		o.Sets = map[string]int{"shards": shards}
	}
	if c != nil {
		o.Demoted = c.demoted
	}
	a := election.New(o)
	if c != nil {
		c.agent = a
		runs(t, c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return a
}

func self(a *election.Agent, name string) bool { s, _ := a.Status(name); return s.Self }

func TestWhoResignsTellsFirst(t *testing.T) {
	s, app := store.NewMemory(), listen(t)
	a := joins(t, s, "a", 0, app.callbacks(time.Second))
	require.Eventually(t, func() bool { return len(app.heard()) == 1 }, within, tick)
	b := joins(t, s, "b", 0, nil)
	require.Eventually(t, b.Joined, within, tick)
	app.answers = func(_ context.Context, said string) int {
		if said == "demoted one 1" {
			assert.False(t, self(a, "one"), "it leads no more by its own account")
			<-time.After(300 * time.Millisecond)
			assert.False(t, self(b, "one"), "nobody else does before the application has answered")
		}
		return 0
	}
	require.NoError(t, a.Resign(t.Context(), "one", "b"))
	require.Eventually(t, func() bool { return self(b, "one") }, within, tick)
	require.NoError(t, b.Resign(t.Context(), "one", "a"))
	require.Eventually(t, func() bool { return len(app.heard()) == 3 }, within, tick)
	a.Leave(t.Context())
	assert.Equal(t, []string{"elected one 1", "demoted one 1", "elected one 3", "demoted one 3"}, app.heard(), "who ends tells, too")
	require.Eventually(t, func() bool { return self(b, "one") }, within, tick)
}

func TestAThousandElectionsOfWhichOneIsSlow(t *testing.T) {
	s, app := store.NewMemory(), listen(t)
	app.answers = func(ctx context.Context, said string) int {
		if said == "elected shards/7 1" || said == "demoted shards/7 1" {
			<-ctx.Done()
		}
		return 0
	}
	a := joins(t, s, "a", 1000, app.callbacks(time.Second))
	require.Eventually(t, func() bool { return self(a, "one") }, within, tick)
	begun := time.Now()
	require.Eventually(t, func() bool { return len(app.heard()) >= 1001 }, within, tick)
	t.Log("all were told within ", time.Since(begun))
	assert.Less(t, time.Since(begun), 10*time.Second)
	b := joins(t, s, "b", 1000, nil)
	require.Eventually(t, b.Joined, within, tick)
	begun = time.Now()
	a.Leave(t.Context())
	t.Log("all were handed over within ", time.Since(begun))
	assert.Less(t, time.Since(begun), 10*time.Second)
	count := map[string]int{}
	for _, said := range app.heard() {
		count[said]++
	}
	for shard := range 1000 {
		if shard != 7 {
			require.Equal(t, 1, count[fmt.Sprintf("elected shards/%d 1", shard)])
		}
		require.Equal(t, 1, count[fmt.Sprintf("demoted shards/%d 1", shard)])
	}
}
