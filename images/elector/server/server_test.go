package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

const (
	within = 10 * time.Second
	tick   = 5 * time.Millisecond
)

// elector with its API.
type elector struct {
	t    *testing.T
	base string
	stop func()
}

func start(t *testing.T, s store.Store, member string, auto bool) *elector {
	t.Helper()
	lease := election.Lease{Duration: 300 * time.Millisecond, RenewDeadline: 200 * time.Millisecond, RetryPeriod: 50 * time.Millisecond}
	log := slog.New(slog.DiscardHandler)
	sets := map[string]int{"shards": 4}
	agent := election.New(election.Options{
		Store: s, Clock: election.System(), Member: member, Address: member + ":1", Slots: 4, Lease: lease, Elections: []string{"one"}, Sets: sets, Auto: auto, Log: log,
	})
	server := New(Options{Agent: agent, Elections: []string{"one"}, Sets: sets, Auto: auto, Lease: lease.Duration, Log: log})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { agent.Run(ctx) })
	running.Go(func() { server.Run(ctx) })
	front := httptest.NewServer(server)
	e := &elector{t: t, base: front.URL}
	var once sync.Once
	e.stop = func() { once.Do(func() { cancel(); front.CloseClientConnections(); front.Close(); running.Wait() }) }
	t.Cleanup(e.stop)
	return e
}

func (e *elector) do(method, path, body string, into any) int {
	e.t.Helper()
	request, err := http.NewRequestWithContext(e.t.Context(), method, e.base+path, strings.NewReader(body))
	require.NoError(e.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(e.t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(e.t, err)
	if into != nil {
		require.NoError(e.t, json.Unmarshal(raw, into), string(raw))
	}
	return response.StatusCode
}

func TestAnElectionByTheAPI(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", true)
	require.Eventually(t, func() bool { return a.do("GET", "/v1/elections/one/is-leader", "", nil) == 200 }, within, tick)
	b := start(t, s, "b", true)
	var is api.Election
	require.Eventually(t, func() bool { b.do("GET", "/v1/elections/one", "", &is); return is.Leader == "a" }, within, tick)
	assert.Equal(t, api.Election{Name: "one", Leader: "a", Address: "a:1", Term: 1, Index: is.Index}, is)
	var wrong api.Error
	assert.Equal(t, 409, b.do("POST", "/v1/elections/one/renew", "", &wrong))
	assert.Equal(t, "a leads", wrong.Error)
	assert.Equal(t, "a", wrong.Election.Leader)
	assert.Equal(t, 200, a.do("POST", "/v1/elections/one/renew", "", &is))
	assert.Positive(t, is.ExpiresInMS)
	var old api.Old
	assert.Equal(t, 200, b.do("GET", "/", "", &old))
	assert.Equal(t, "a", old.Name)

	var is2 api.Verified
	for _, e := range []*elector{a, b} {
		assert.Equal(t, 200, e.do("POST", "/v1/elections/one/verify", `{"token":1}`, &is2))
		assert.Equal(t, api.Verified{Valid: true, Term: 1}, is2)
	}

	t.Run("watched by long poll", func(t *testing.T) {
		var now, next api.Election
		b.do("GET", "/v1/elections/one/watch", "", &now)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.do("GET", "/v1/elections/one/watch?wait=10s&index="+jsonOf(now.Index), "", &next)
		}()
		require.Eventually(t, func() bool { return a.do("POST", "/v1/elections/one/resign?to=b", "", nil) == 200 }, within, tick)
		<-done
		assert.Equal(t, "b", next.Leader)
		assert.Equal(t, uint64(2), next.Term)
	})
	assert.Equal(t, 200, a.do("POST", "/v1/elections/one/verify", `{"token":1}`, &is2))
	assert.Equal(t, api.Verified{Valid: false, Term: 2}, is2, "the token of one who led before")

	t.Run("watched by events", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), "GET", a.base+"/v1/elections/one/watch", nil)
		require.NoError(t, err)
		request.Header.Set("Accept", "text/event-stream")
		response, err := http.DefaultClient.Do(request) //nolint:bodyclose // it is, below, and the linter does not see it
		require.NoError(t, err)
		defer response.Body.Close()
		told := make(chan api.Election)
		go func() {
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					var e api.Election
					if json.Unmarshal([]byte(data), &e) == nil {
						told <- e
					}
				}
			}
		}()
		assert.Equal(t, "b", (<-told).Leader)
		require.Equal(t, 200, b.do("POST", "/v1/elections/one/resign?to=a", "", nil))
		assert.True(t, (<-told).Self)
	})

	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/elections/two", "", 404, `there is no election "two": declare it`},
		{"POST", "/v1/elections/one/resign?to=nobody", "", 409, "no such member"},
		{"POST", "/v1/elections/one/become-leader?wait=soon", "", 400, "wait must be a duration"},
		{"GET", "/v1/elections/one/watch?index=x", "", 400, "index must be"},
		{"POST", "/v1/elections/one/verify", `{"tocken":1}`, 400, "unknown field"},
		{"PUT", "/v1/elections/one", `{"stand":false}`, 400, `campaign = "app"`},
		{"GET", "/v1/election-sets/none", "", 404, "no election"},
	} {
		assert.Equal(t, c.status, a.do(c.method, c.path, c.body, &wrong), c.path)
		assert.Contains(t, wrong.Error, c.says, c.path)
	}
}

func jsonOf(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

func TestAnApplicationThatStandsMustRenew(t *testing.T) {
	s := store.NewMemory()
	a, b := start(t, s, "a", false), start(t, s, "b", false)
	assert.Equal(t, 409, a.do("GET", "/v1/elections/one/is-leader", "", nil), "nobody stands")
	assert.Equal(t, 200, a.do("POST", "/v1/elections/one/become-leader?wait=10s", "", nil))
	waits := make(chan int)
	go func() { waits <- b.do("POST", "/v1/elections/one/become-leader?wait=10s", "", nil) }()
	for range 20 {
		<-time.After(50 * time.Millisecond)
		require.Equal(t, 200, a.do("POST", "/v1/elections/one/renew", "", nil), "who renews leads on")
	}
	assert.Equal(t, 200, <-waits, "who does not is followed by who waits")
	assert.Equal(t, 409, a.do("POST", "/v1/elections/one/renew", "", nil))
}

func TestASetIsToldAsAWhole(t *testing.T) {
	a := start(t, store.NewMemory(), "a", true)
	var set api.Set
	require.Eventually(t, func() bool { a.do("GET", "/v1/election-sets/shards", "", &set); return len(set.Own) == 4 }, within, tick)
	assert.Equal(t, []int{0, 1, 2, 3}, set.Own)
	assert.Len(t, set.Elections, 4)
	assert.Equal(t, 200, a.do("GET", "/v1/election-sets/shards/3/is-leader", "", nil))
	assert.Equal(t, 404, a.do("GET", "/v1/election-sets/shards/4/is-leader", "", nil))
}
