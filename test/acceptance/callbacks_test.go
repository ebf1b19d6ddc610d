//go:build acceptance

package acceptance

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// asked is an application that stands where the test says, and hands on to it what it is told.
//
//go:embed asked.py
var asked string

// asking is a pattern_leader_election of three of them, which stand when they are asked to, and are told what they become.
func asking(t *testing.T, told *ear) object {
	w := with(writer(t, "engine", ""), object{
		"main.command":     []string{"python3", "/app/asked.py"},
		"main.env":         object{"TEST": told.url},
		"volumes.app":      object{"config": object{"files": object{"asked.py": asked}}},
		"elector.lease":    nil, // the default one is long enough for a busy machine
		"elector.campaign": "app",
		"elector.callbacks": object{
			"on_elected": object{"port": "http", "path": "/elected"}, "on_demoted": object{"port": "http", "path": "/demoted"}, "timeout": patience.String(),
		},
	})
	return w
}

// patience of an elector with its application.
const patience = 4 * time.Second

// An ear hears what the applications are told, and answers for them.
type ear struct {
	url string

	mu     sync.Mutex
	all    []*word
	answer func(ctx context.Context, w *word) (status int)
}

// A word that an application was told.
type word struct {
	to, what string // "elected" or "demoted"; "ending" is its own, when it is to end
	election api.Election
	at       time.Time
	status   int // what was answered; 0 if nothing was yet
	answered time.Time
}

func newEar(t *testing.T) *ear {
	t.Helper()
	host, _, err := net.SplitHostPort(must(t, "REGISTRY")) // where the engines reach this machine
	require.NoError(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	e := &ear{url: "http://" + listener.Addr().String()}
	e.answers(func(context.Context, *word) int { return http.StatusNoContent })
	server := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { server.Close() })
	return e
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	heard := &word{to: r.Header.Get("Member"), what: r.URL.Path[1:], at: time.Now()}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &heard.election) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	e.all = append(e.all, heard)
	answer := e.answer
	e.mu.Unlock()
	status := answer(r.Context(), heard)
	e.mu.Lock()
	heard.status, heard.answered = status, time.Now()
	e.mu.Unlock()
	w.WriteHeader(status)
}

// answers so from now on.
func (e *ear) answers(answer func(ctx context.Context, w *word) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// heard so far.
func (e *ear) heard() (all []word) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.all {
		all = append(all, *w)
	}
	return all
}

// wait until somebody was told something of a term, or a later one, and has answered it well, if it shall have.
func (e *ear) wait(t *testing.T, to, what string, term uint64, answered bool) (w word) {
	t.Helper()
	eventually(t, time.Minute, func() bool {
		for _, w = range e.heard() {
			if w.to == to && w.what == what && w.election.Term >= term && (!answered || w.status == http.StatusNoContent) {
				return true
			}
		}
		return false
	}, "%s is told %s in term %d: %s", to, what, term, lazily(func() any { return e.heard() }))
	return w
}

// lazily shows something as it is when it is shown.
type lazily func() any

func (l lazily) String() string { return fmt.Sprintf("%+v", l()) }

// An application of the test, and what electors call it.
type application struct {
	replica
	name string
}

// ask the elector, by way of the application; status 0 if there is no answer.
func (a application) ask(method, what string) (status int, is api.Election) {
	return a.askIn(context.Background(), method, what)
}

func (a application) askIn(ctx context.Context, method, what string) (status int, is api.Election) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+a.Address+"/v1/elections/one"+what, nil)
	if err != nil {
		return 0, is
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, is
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, is
	}
	if response.StatusCode == http.StatusOK {
		_ = json.Unmarshal(body, &is) // an answer without an election is not that of a leader, either
		return response.StatusCode, is
	}
	var refused api.Error
	if json.Unmarshal(body, &refused) == nil && refused.Election != nil {
		is = *refused.Election
	}
	return response.StatusCode, is
}

// renew until the returned function is called.
func (a application) renew(t *testing.T) (hang func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				a.askIn(ctx, http.MethodPost, "/renew")
			}
		}
	})
	hang = func() { cancel(); done.Wait() }
	t.Cleanup(hang)
	return hang
}

// applications of an instance.
func (s *stage) applications(instance string) (all []application) {
	s.Helper()
	for _, r := range s.replicas(s.T, instance) {
		response, err := http.Get("http://" + r.Address + "/")
		require.NoError(s, err)
		name, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(s, err)
		all = append(all, application{r, string(name)})
	}
	return all
}

// Nobody leads until an application asks for it. It is told when it leads, until it answers, and before the next one is, which waits
// for its answer as long as it may take.
func TestApplicationsAskAndAreTold(t *testing.T) {
	on(t, func(s *stage) {
		e := newEar(s.T)
		s.write(s.providerOfThisRun(), object{"resource": object{"pattern_leader_election": object{"writer": asking(s.T, e)}}})
		s.apply()
		s.unchanged("after the first apply")
		all := s.applications("writer")
		require.Len(s, all, 3)
		a, b, c := all[0], all[1], all[2]
		for _, x := range all {
			status, is := x.ask(http.MethodPost, "/renew")
			assert.Equal(s, http.StatusConflict, status)
			assert.Empty(s, is.Leader, "nobody has asked to lead, and to renew is not to ask")
		}
		require.Empty(s, e.heard())

		// It is told until it answers.
		var asked atomic.Int32
		e.answers(func(context.Context, *word) int {
			if asked.Add(1) <= 2 {
				return http.StatusServiceUnavailable
			}
			return http.StatusNoContent
		})
		status, first := a.ask(http.MethodPost, "/become-leader?wait=30s")
		require.Equal(s, http.StatusOK, status)
		require.True(s, first.Self)
		require.NotZero(s, first.Term)
		hangA := a.renew(s.T)
		e.wait(s.T, a.name, "elected", first.Term, true)
		heard := e.heard()
		require.GreaterOrEqual(s, len(heard), 3)
		for _, w := range heard {
			assert.Equal(s, "elected", w.what)
			assert.Equal(s, a.name, w.to)
			assert.Equal(s, first.Term, w.election.Term)
			assert.True(s, w.election.Self)
		}

		// Who asks now has to wait. The leader gives way, but not before it has answered.
		status, is := b.ask(http.MethodPost, "/become-leader")
		assert.Equal(s, http.StatusConflict, status)
		assert.Equal(s, a.name, is.Leader)
		hangB := b.renew(s.T)
		finished := make(chan struct{})
		e.answers(func(ctx context.Context, w *word) int {
			if w.what == "demoted" {
				select {
				case <-finished:
				case <-ctx.Done():
				}
			}
			return http.StatusNoContent
		})
		resigned := make(chan int, 1)
		go func() {
			status, _ := a.ask(http.MethodPost, "/resign")
			resigned <- status
		}()
		e.wait(s.T, a.name, "demoted", first.Term, false)
		status, is = a.ask(http.MethodGet, "/is-leader")
		assert.Equal(s, http.StatusConflict, status, "it leads no more while it ends what it has begun: %+v", is)
		status, is = b.ask(http.MethodGet, "/is-leader")
		assert.Equal(s, http.StatusConflict, status, "and nobody else leads yet: %+v", is)
		close(finished)
		assert.Equal(s, http.StatusOK, <-resigned)
		hangA()
		second := e.wait(s.T, b.name, "elected", first.Term+1, true)
		demoted := e.wait(s.T, a.name, "demoted", first.Term, true)
		assert.False(s, second.at.Before(demoted.answered), "%s is told that it leads %s before %s has answered", b.name, demoted.answered.Sub(second.at), a.name)
		s.Logf("handed over: elected %s after the other one was demoted, and %s after it has answered", second.at.Sub(demoted.at).Round(time.Millisecond), second.at.Sub(demoted.answered).Round(time.Millisecond))

		// One that does not answer is waited for, and not for ever.
		e.answers(func(ctx context.Context, w *word) int {
			if w.what == "demoted" && w.to == b.name {
				<-ctx.Done()
			}
			return http.StatusNoContent
		})
		status, _ = c.ask(http.MethodPost, "/become-leader")
		assert.Equal(s, http.StatusConflict, status)
		hangC := c.renew(s.T)
		status, _ = b.ask(http.MethodPost, "/resign")
		assert.Equal(s, http.StatusOK, status)
		hangB()
		third := e.wait(s.T, c.name, "elected", second.election.Term+1, true)
		unanswered := e.wait(s.T, b.name, "demoted", second.election.Term, false)
		assert.Zero(s, unanswered.status)
		waited := third.at.Sub(unanswered.at)
		s.Logf("without an answer: elected %s after the other one was demoted", waited.Round(time.Millisecond))
		assert.Greater(s, waited, patience/2)

		// One whose replica ends is told before its main container is to end.
		status, _ = a.ask(http.MethodPost, "/become-leader")
		assert.Equal(s, http.StatusConflict, status)
		hangA = a.renew(s.T)
		s.end(c.replica)
		fourth := e.wait(s.T, a.name, "elected", third.election.Term+1, true)
		hangC()
		demoted = e.wait(s.T, c.name, "demoted", third.election.Term, true)
		assert.False(s, fourth.at.Before(demoted.answered), "%s is told that it leads %s before %s has answered", a.name, demoted.answered.Sub(fourth.at), c.name)
		ending := e.wait(s.T, c.name, "ending", 0, true)
		s.Logf("ended: elected %s after the other one was demoted, which was to end %s after that", fourth.at.Sub(demoted.at).Round(time.Millisecond), ending.at.Sub(demoted.at).Round(time.Millisecond))
		assert.False(s, ending.at.Before(demoted.answered), "it is to end %s before it was demoted", demoted.answered.Sub(ending.at))

		// One that hangs leads no more, and nobody else has asked to.
		hangA()
		e.wait(s.T, a.name, "demoted", fourth.election.Term, true)
		for _, x := range []application{a, b} {
			eventually(s.T, 30*time.Second, func() bool {
				status, is := x.ask(http.MethodGet, "")
				return status == http.StatusOK && is.Leader == ""
			}, "nobody leads, as %s says", x.name)
		}
		var order []string
		for _, w := range e.heard() {
			if is := w.to + " " + w.what; w.what != "ending" && (len(order) == 0 || order[len(order)-1] != is) { // it may be told twice
				order = append(order, is)
			}
		}
		var want []string
		for _, x := range []application{a, b, c, a} {
			want = append(want, x.name+" elected", x.name+" demoted")
		}
		assert.Equal(s, want, order)
		s.destroy()
		s.gone("writer")
	})
}
