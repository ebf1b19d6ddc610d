package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

const (
	within = 10 * time.Second
	tick   = 2 * time.Millisecond
)

// views are what an elector is told.
type views struct {
	mu      sync.Mutex
	is      election.Status
	until   time.Time // that Self holds; zero is for ever
	changed chan struct{}
	then    func() // is done once, before the next answer is given
}

func (v *views) late(then func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.then = then
}

func (v *views) Status(string) (election.Status, error) {
	v.mu.Lock()
	is, then := v.is, v.then
	v.then = nil
	v.mu.Unlock()
	if then != nil {
		then()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if is.Self {
		is.ExpiresIn = time.Hour
		if !v.until.IsZero() {
			if is.ExpiresIn = time.Until(v.until); is.ExpiresIn <= 0 {
				return election.Status{Term: is.Term}, nil
			}
		}
	}
	return is, nil
}

func (v *views) Changed() (<-chan struct{}, uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed, 0
}

func (v *views) tell(is election.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.is = is
	close(v.changed)
	v.changed = make(chan struct{})
}

// elector is a relay with an application beside it, which says its name, then what it hears, and then "bye".
type elector struct {
	t *testing.T
	*Relay
	views *views
	name  string
	app   net.Listener
	stop  func()
}

func application(t *testing.T, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, name)
				if _, err := io.Copy(c, c); err == nil {
					fmt.Fprint(c, "bye")
				}
			}()
		}
	}()
	return l
}

func serve(t *testing.T, of Elections, settings config.Relay) (*Relay, func()) {
	t.Helper()
	settings.Peer = "127.0.0.1:0"
	settings.SetDefaults()
	r, err := Listen(t.Context(), Options{Elections: of, Relay: settings, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, r.Run(ctx)) })
	stop := sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return r, stop
}

func start(t *testing.T, name string, edit func(*config.Relay)) *elector {
	t.Helper()
	e := &elector{t: t, views: &views{changed: make(chan struct{})}, name: name, app: application(t, name)}
	settings := config.Relay{Services: map[string]config.Service{"web": {Election: "one", Listen: "127.0.0.1:0", Target: e.app.Addr().String()}}}
	if edit != nil {
		edit(&settings)
	}
	e.Relay, e.stop = serve(t, e.views, settings)
	return e
}

// leads makes one of some electors the leader, by the account of all.
func leads(leader *elector, term uint64, all ...*elector) {
	for _, e := range all {
		e.views.tell(election.Status{Leader: leader.name, Address: leader.Peers().String(), Term: term, Self: e == leader})
	}
}

// client of an elector's service.
func (e *elector) client() *net.TCPConn {
	e.t.Helper()
	c, err := net.Dial("tcp", e.Address("web").String())
	require.NoError(e.t, err)
	e.t.Cleanup(func() { c.Close() })
	require.NoError(e.t, c.SetDeadline(time.Now().Add(within)))
	return c.(*net.TCPConn)
}

// reads some bytes.
func reads(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

// isReset tells whether a connection ends as one that was cut.
func isReset(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	return errors.Is(err, syscall.ECONNRESET)
}

func TestEveryElectorLeadsToTheLeader(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	leads(a, 1, a, b)
	for _, e := range []*elector{a, b} {
		c := e.client()
		reads(t, c, "a")
		fmt.Fprint(c, "hello")
		reads(t, c, "hello")
		require.NoError(t, c.CloseWrite())
		rest, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Equal(t, "bye", string(rest), "the end of one direction is passed on, and the other goes on")
	}
	assert.Equal(t, 1.0, testutil.ToFloat64(b.meters.connections.WithLabelValues("web", forwarded)))
	assert.Equal(t, 1.0, testutil.ToFloat64(a.meters.connections.WithLabelValues("web", local)))
	assert.Equal(t, 1.0, testutil.ToFloat64(a.meters.peers.WithLabelValues("web", "accepted")))
	require.Eventually(t, func() bool { return testutil.ToFloat64(a.meters.open.WithLabelValues("web")) == 0 }, within, tick)
}

func TestNobodyLeads(t *testing.T) {
	a := start(t, "a", func(c *config.Relay) { c.Patience = config.Duration(300 * time.Millisecond); c.Waiting = 2 })
	begun := time.Now()
	first, second := a.client(), a.client()
	require.Eventually(t, func() bool { return testutil.ToFloat64(a.meters.waiting.WithLabelValues("web")) == 2 }, within, tick)
	third, err := net.Dial("tcp", a.Address("web").String())
	if err == nil { // it may be so quick that nothing was seen of a connection
		defer third.Close()
		assert.True(t, isReset(third), "as many wait as may")
	}
	assert.True(t, isReset(first))
	assert.True(t, isReset(second))
	assert.GreaterOrEqual(t, time.Since(begun), 300*time.Millisecond)
	assert.Equal(t, 2.0, testutil.ToFloat64(a.meters.connections.WithLabelValues("web", nobody)))
	assert.Equal(t, 1.0, testutil.ToFloat64(a.meters.connections.WithLabelValues("web", full)))
}

func TestWhoWaitsIsConnectedWhenSomebodyLeads(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	c := a.client()
	fmt.Fprint(c, "what was said before")
	require.Eventually(t, func() bool { return testutil.ToFloat64(a.meters.waiting.WithLabelValues("web")) == 1 }, within, tick)
	begun := time.Now()
	leads(b, 1, a, b)
	reads(t, c, "bwhat was said before")
	assert.Less(t, time.Since(begun), 2*time.Second)
}

func TestALeaderByHearsayIsAskedAgain(t *testing.T) {
	a, b, c := start(t, "a", nil), start(t, "b", nil), start(t, "c", nil)
	leads(b, 1, a)
	b.views.tell(election.Status{Leader: "c", Address: c.Peers().String(), Term: 2})
	c.views.tell(election.Status{Leader: "c", Address: c.Peers().String(), Term: 2, Self: true})
	client := a.client()
	require.Eventually(t, func() bool { return testutil.ToFloat64(b.meters.peers.WithLabelValues("web", "refused")) >= 2 }, within, tick, "b does not lead, and does not forward what was forwarded")
	assert.Zero(t, testutil.ToFloat64(c.meters.peers.WithLabelValues("web", "accepted")))
	leads(c, 2, a)
	reads(t, client, "c")
}

func TestALeaderWhoseApplicationIsNotUpYet(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	address := b.app.Addr().String()
	b.app.Close()
	leads(b, 1, a, b)
	clients := []*net.TCPConn{a.client(), b.client()}
	require.Eventually(t, func() bool {
		return testutil.ToFloat64(a.meters.failures.WithLabelValues("web", forwarded)) >= 2 && testutil.ToFloat64(b.meters.failures.WithLabelValues("web", local)) >= 2
	}, within, tick)
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	defer l.Close()
	for range clients {
		c, err := l.Accept()
		require.NoError(t, err)
		fmt.Fprint(c, "late")
		defer c.Close()
	}
	for _, c := range clients {
		reads(t, c, "late")
	}
}

func TestALeaderThatDoesNotAnswerIsLeftWhenItIsFollowed(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	a, b := start(t, "a", nil), start(t, "b", nil)
	a.views.tell(election.Status{Leader: "silent", Address: silent.Addr().String(), Term: 1})
	c := a.client()
	held, err := silent.Accept()
	require.NoError(t, err)
	defer held.Close()
	begun := time.Now()
	leads(b, 2, a, b)
	reads(t, c, "b")
	assert.Less(t, time.Since(begun), 2*time.Second)
}

func TestConnectionsEndWithLeadership(t *testing.T) {
	for _, v := range []struct {
		name string
		end  func(a, b *elector)
	}{
		{"another one leads", func(a, b *elector) { leads(b, 2, a, b) }},
		{"nobody knows who leads", func(a, _ *elector) { a.views.tell(election.Status{Term: 1}) }},
		{"it has run out, without a word from anybody", func(a, _ *elector) {
			a.views.mu.Lock()
			defer a.views.mu.Unlock()
			a.views.until = time.Now()
		}},
		{"it leads again", func(a, _ *elector) { leads(a, 3, a) }},
		{"it is cut", func(a, _ *elector) { a.Cut("one") }},
	} {
		t.Run(v.name, func(t *testing.T) {
			a, b := start(t, "a", nil), start(t, "b", nil)
			leads(a, 1, a, b)
			direct, forwarded := a.client(), b.client()
			reads(t, direct, "a")
			reads(t, forwarded, "a")
			begun := time.Now()
			v.end(a, b)
			assert.True(t, isReset(direct))
			assert.True(t, isReset(forwarded))
			assert.Less(t, time.Since(begun), 20*lookLeading)
		})
	}
}

func TestNoneIsCutByWhatWasBefore(t *testing.T) {
	a := start(t, "a", nil)
	connected := make(chan net.Conn, 1)
	a.views.late(func() { // between the question who leads and what is done by the answer, somebody does
		leads(a, 2, a)
		c, err := net.Dial("tcp", a.Address("web").String())
		assert.NoError(t, err)
		connected <- c
		<-time.After(100 * time.Millisecond)
	})
	a.views.tell(election.Status{Term: 1})
	c := <-connected
	<-time.After(200 * time.Millisecond) // the answer has been given, and gone by
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(within)))
	fmt.Fprint(c, "still there")
	reads(t, c, "astill there")
}

func TestALeaderThatIsGoneIsLeft(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	leads(a, 1, a, b)
	c := b.client()
	reads(t, c, "a")
	leads(b, 2, b) // a neither knows nor says anything
	assert.True(t, isReset(c))
}

func TestWhoLeavesKeepsItsConnectionsUntilTheyAreCut(t *testing.T) {
	a := start(t, "a", func(c *config.Relay) { c.Patience = config.Duration(100 * time.Millisecond) })
	leads(a, 1, a)
	c := a.client()
	reads(t, c, "a")
	a.views.tell(election.Status{Term: 1, Leaving: true})
	assert.True(t, isReset(a.client()), "there are no new ones")
	fmt.Fprint(c, "still there")
	reads(t, c, "still there")
	a.Cut("one")
	assert.True(t, isReset(c))
}

func TestManyConnections(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	leads(a, 1, a, b)
	for _, e := range []*elector{a, b} { // all of both is at work
		c := e.client()
		reads(t, c, "a")
		c.Close()
		require.Eventually(t, func() bool { return testutil.ToFloat64(e.meters.open.WithLabelValues("web")) == 0 }, within, tick)
	}
	before := descriptors(t)
	routines := runtime.NumGoroutine()
	var group sync.WaitGroup
	for i := range 400 {
		group.Go(func() {
			c, err := net.Dial("tcp", []*elector{a, b}[i%2].Address("web").String())
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			fmt.Fprint(c, "hello")
			assert.NoError(t, c.(*net.TCPConn).CloseWrite())
			all, err := io.ReadAll(c)
			assert.NoError(t, err)
			assert.Equal(t, "ahellobye", string(all))
		})
	}
	group.Wait()
	for i := range 100 { // and some that go without a word
		c := []*elector{a, b}[i%2].client()
		reads(t, c, "a")
		c.Close()
	}
	require.Eventually(t, func() bool {
		runtime.GC() // the pipes of splice are kept in a pool
		return descriptors(t) <= before+5 && runtime.NumGoroutine() <= routines+5
	}, within, 50*time.Millisecond, "nothing is left")
	for _, e := range []*elector{a, b} {
		e.bonds["one"].mu.Lock()
		assert.Empty(t, e.bonds["one"].open)
		e.bonds["one"].mu.Unlock()
	}
}

func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc")
	}
	return len(all)
}

func TestDrain(t *testing.T) {
	a := start(t, "a", nil)
	leads(a, 1, a)
	c := a.client()
	reads(t, c, "a")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	a.Drain(ctx)
	require.Error(t, ctx.Err(), "there is an open connection")
	_, err := net.Dial("tcp", a.Address("web").String())
	require.Error(t, err)
	done := make(chan struct{})
	go func() { defer close(done); a.Drain(t.Context()) }()
	fmt.Fprint(c, "the last")
	reads(t, c, "the last")
	c.Close()
	<-done
}

func TestWhatIsNoPeerIsRefused(t *testing.T) {
	a := start(t, "a", nil)
	leads(a, 1, a)
	for _, v := range []struct {
		says, hears string
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		{greeting + "\x05other", "-"},
		{greeting + "\x00", "-"},
		{greeting + "\x03web", "+\x00\x00\x00\x00\x00\x00\x00\x01a"},
	} {
		c, err := net.Dial("tcp", a.Peers().String())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(within)))
		fmt.Fprint(c, v.says)
		reads(t, c, v.hears)
		if len(v.hears) < 2 {
			_, err = c.Read(make([]byte, 1))
			require.Error(t, err)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	}
}

func TestStopEndsEverything(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	leads(a, 1, a, b)
	c := b.client()
	reads(t, c, "a")
	waits, err := net.Dial("tcp", a.Peers().String())
	require.NoError(t, err)
	defer waits.Close()
	begun := time.Now()
	b.stop()
	assert.True(t, isReset(c))
	a.stop()
	assert.Less(t, time.Since(begun), time.Second)
}
