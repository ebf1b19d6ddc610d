package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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
	link *link
	stop func()
}

// link is an elector's way to the store.
type link struct {
	store.Store
	cut atomic.Bool
}

func (l *link) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	if l.cut.Load() {
		return "", errors.New("the network is down")
	}
	return l.Store.Put(ctx, key, value, version)
}

func start(t *testing.T, s store.Store, member string, auto bool) *elector {
	t.Helper()
	to := &link{Store: s}
	lease := election.Lease{Duration: 300 * time.Millisecond, RenewDeadline: 200 * time.Millisecond, RetryPeriod: 50 * time.Millisecond}
	log := slog.New(slog.DiscardHandler)
	sets := map[string]int{"shards": 4}
	agent := election.New(election.Options{
		Store: to, Clock: election.System(), Member: member, Address: member + ":1", Slots: 4, Lease: lease, Elections: []string{"one"}, Sets: sets, Auto: auto, Log: log,
	})
	server := New(Options{Agent: agent, Elections: []string{"one"}, Sets: sets, Auto: auto, Lease: lease.Duration, Log: log})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { agent.Run(ctx) })
	running.Go(func() { server.Run(ctx) })
	front := httptest.NewServer(server)
	e := &elector{t: t, base: front.URL, link: to}
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

// listen to the events of a path.
func listen[T any](e *elector, path string) <-chan T {
	e.t.Helper()
	request, err := http.NewRequestWithContext(e.t.Context(), "GET", e.base+path, nil)
	require.NoError(e.t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request) //nolint:bodyclose // it is, below
	require.NoError(e.t, err)
	told := make(chan T)
	go func() {
		defer close(told)
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var v T
				assert.NoError(e.t, json.Unmarshal([]byte(data), &v))
				select {
				case told <- v:
				case <-e.t.Context().Done():
				}
			}
		}
	}()
	return told
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
		told := listen[api.Election](a, "/v1/elections/one/watch")
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
		{"POST", "/v1/elections/one/resign?to=nobody", "", 409, `there is no member "nobody" that is ready to lead: this one leads on`},
		{"POST", "/v1/elections/one/become-leader?wait=soon", "", 400, "wait must be a duration"},
		{"GET", "/v1/elections/one/watch?index=x", "", 400, "index must be"},
		{"POST", "/v1/elections/one/verify", `{"tocken":1}`, 400, "unknown field"},
		{"PUT", "/v1/elections/one", `{"stand":false}`, 400, `campaign = "app"`},
		{"POST", "/v1/elections/two/become-leader?wait=5m", "", 404, `there is no election "two"`},
		{"PUT", "/v1/elections/two", `{"stand":true}`, 404, `there is no election "two"`},
		{"GET", "/v1/election-sets/none", "", 404, `there is no set of elections "none"`},
		{"GET", "/v1/election-sets/none/watch", "", 404, `there is no set of elections "none"`},
		{"GET", "/v1/election-sets/shards/watch?wait=1h", "", 400, "wait must be a duration"},
		{"GET", "/v1/election-sets/shards/9/watch", "", 404, `there is no election "shards/9"`},
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

func TestASetIsWatchedAsAWhole(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", true)
	var set api.Set
	require.Eventually(t, func() bool { a.do("GET", "/v1/election-sets/shards", "", &set); return len(set.Own) == 4 }, within, tick)
	told := listen[api.Set](a, "/v1/election-sets/shards/watch")
	assert.Len(t, (<-told).Own, 4)
	done := make(chan api.Set)
	go func() {
		is := set
		for len(is.Own) == 4 {
			a.do("GET", "/v1/election-sets/shards/watch?wait=10s&index="+jsonOf(is.Index), "", &is)
		}
		done <- is
	}()
	b := start(t, s, "b", true)
	assert.Less(t, len((<-done).Own), 4, "it is told by long poll")
	require.Eventually(t, func() bool { is := <-told; return len(is.Own) == 2 && is.Elections[3].Leader != is.Elections[0].Leader }, within, tick, "and by events")
	b.do("GET", "/v1/election-sets/shards", "", &set)
	assert.Len(t, set.Elections, 4)
}

func TestWhoWatchesSeesLeadershipRunOut(t *testing.T) {
	a := start(t, store.NewMemory(), "a", true)
	var is api.Election
	require.Eventually(t, func() bool { a.do("GET", "/v1/elections/one", "", &is); return is.Self }, within, tick)
	told := listen[api.Election](a, "/v1/elections/one/watch")
	assert.True(t, (<-told).Self)
	a.link.cut.Store(true)
	begun := time.Now()
	for is.Self {
		require.Equal(t, 200, a.do("GET", "/v1/elections/one/watch?wait=10s&index="+jsonOf(is.Index), "", &is))
	}
	assert.Less(t, time.Since(begun), 5*time.Second, "by long poll")
	assert.Zero(t, is.ExpiresInMS)
	assert.False(t, (<-told).Self, "by events")
	assert.Less(t, time.Since(begun), 5*time.Second)
}

func TestWhoWaitsLeadsByItself(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", true)
	require.Equal(t, 200, a.do("POST", "/v1/elections/one/become-leader?wait=10s", "", nil))
	b := start(t, s, "b", true)
	begun := time.Now()
	var other api.Error
	require.Equal(t, 409, b.do("POST", "/v1/elections/one/become-leader?wait=200ms", "", &other))
	assert.GreaterOrEqual(t, time.Since(begun), 200*time.Millisecond)
	assert.Equal(t, "a leads", other.Error)
	waits := make(chan int)
	go func() { waits <- b.do("POST", "/v1/elections/one/become-leader?wait=10s", "", nil) }()
	require.Equal(t, 200, a.do("POST", "/v1/elections/one/resign?to=b", "", nil))
	assert.Equal(t, 200, <-waits)
}
