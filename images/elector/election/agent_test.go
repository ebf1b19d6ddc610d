package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// steady is a lease that a busy machine can keep; with quick, leaders change often.
var steady = Lease{Duration: 900 * time.Millisecond, RenewDeadline: 600 * time.Millisecond, RetryPeriod: 100 * time.Millisecond}

var quick = Lease{Duration: 300 * time.Millisecond, RenewDeadline: 200 * time.Millisecond, RetryPeriod: 50 * time.Millisecond}

const (
	within = 10 * time.Second
	tick   = 5 * time.Millisecond
)

// link is one elector's way to the store, which may be cut, slow, and lose answers.
type link struct {
	store.Store
	mu   sync.Mutex
	cut  bool
	lose float64 // of answers to Put
	slow time.Duration
}

var errCut = errors.New("the network is down")

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *link) pass(ctx context.Context) (lost bool, err error) {
	l.mu.Lock()
	cut, lose, slow := l.cut, l.lose, l.slow
	l.mu.Unlock()
	if slow > 0 {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(time.Duration(rand.Int64N(int64(slow)))):
		}
	}
	if cut {
		return false, errCut
	}
	return rand.Float64() < lose, nil
}

func (l *link) Get(ctx context.Context, key string) (store.Record, error) {
	if _, err := l.pass(ctx); err != nil {
		return store.Record{}, err
	}
	return l.Store.Get(ctx, key)
}

func (l *link) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	lost, err := l.pass(ctx)
	if err != nil {
		return "", err
	}
	is, err := l.Store.Put(ctx, key, value, version)
	if err == nil && lost {
		return "", errCut
	}
	return is, err
}

func (l *link) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	l.Store.Watch(ctx, keys, func(r store.Record) {
		l.mu.Lock()
		cut := l.cut
		l.mu.Unlock()
		if !cut {
			tell(r)
		}
	})
}

type elector struct {
	*Agent
	link *link
	stop func()
}

func start(t *testing.T, s store.Store, name string, also func(*Options)) *elector {
	t.Helper()
	e := &elector{link: &link{Store: s}}
	o := Options{
		Store: e.link, Clock: System(), Member: name, Slots: 6, Lease: steady, Elections: []string{"one"}, Auto: true, Log: slog.New(slog.DiscardHandler),
	}
	if also != nil {
		also(&o)
	}
	e.Agent = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	var once sync.Once
	e.stop = func() { once.Do(func() { cancel(); running.Wait() }) }
	t.Cleanup(e.stop)
	return e
}

func (e *elector) self(name string) bool {
	s, _ := e.Status(name)
	return s.Self
}

// leader of those that say they are; "" if none does.
func leader(t *testing.T, name string, all ...*elector) string {
	t.Helper()
	found := ""
	for _, e := range all {
		if e.self(name) {
			require.Empty(t, found, "two leaders")
			found = e.Member
		}
	}
	return found
}

func TestOneOfManyLeads(t *testing.T) {
	s := store.NewMemory()
	a, b, c := start(t, s, "a", nil), start(t, s, "b", nil), start(t, s, "c", nil)
	all := []*elector{a, b, c}
	require.Eventually(t, func() bool { return leader(t, "one", all...) != "" }, within, tick)
	first := leader(t, "one", all...)
	for _, e := range all {
		require.Eventually(t, func() bool { is, _ := e.Status("one"); return is.Leader == first }, within, tick, "all know who leads")
	}
	for range 20 {
		<-time.After(10 * time.Millisecond)
		require.Equal(t, first, leader(t, "one", all...), "it stays")
	}

	t.Run("one that dies is followed by another, with a greater term", func(t *testing.T) {
		var dead *elector
		for _, e := range all {
			if e.Member == first {
				dead = e
			}
		}
		before, _ := dead.Status("one")
		dead.stop()
		require.Eventually(t, func() bool { return !dead.self("one") }, within, tick, "by its own account, too")
		var now Status
		require.Eventually(t, func() bool {
			for _, e := range all {
				if e != dead && e.self("one") {
					now, _ = e.Status("one")
					return true
				}
			}
			return false
		}, within, tick)
		assert.Greater(t, now.Term, before.Term)
	})
}

// lasting leases end in no test.
func lasting(o *Options) {
	o.Lease = Lease{Duration: time.Hour, RenewDeadline: time.Hour / 2, RetryPeriod: 50 * time.Millisecond}
}

func TestASeatIsHandedOver(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", lasting)
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	require.ErrorIs(t, a.Resign(t.Context(), "one", Anyone), ErrNobody)
	assert.True(t, a.self("one"), "nobody else could")
	b := start(t, s, "b", lasting)
	require.Eventually(t, func() bool { return a.Resign(t.Context(), "one", Anyone) == nil }, within, tick)
	require.Eventually(t, func() bool { return b.self("one") }, within, tick)
	require.NoError(t, b.Resign(t.Context(), "one", "a"))
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	require.NoError(t, a.Resign(t.Context(), "one", "b"))
	assert.False(t, a.self("one"))
	require.Eventually(t, func() bool { return b.self("one") }, within, time.Millisecond)
	require.ErrorIs(t, a.Resign(t.Context(), "one", "b"), ErrNotLeader)
	require.ErrorIs(t, b.Resign(t.Context(), "one", "nobody"), ErrNobody)
	require.ErrorIs(t, b.Resign(t.Context(), "other", ""), ErrUnknown)
	b.Leave(t.Context())
	require.Eventually(t, func() bool { return a.self("one") }, within, time.Millisecond, "who leaves hands over")
}

func TestWhoIsNotReadyDoesNotLead(t *testing.T) {
	s := store.NewMemory()
	unready := func(o *Options) { lasting(o); o.Unready, o.Sets = true, map[string]int{"set": 4} }
	a, b := start(t, s, "a", unready), start(t, s, "b", unready)
	require.Eventually(t, func() bool { return a.Joined() && b.Joined() }, within, tick)
	<-time.After(10 * tick)
	assert.Empty(t, leader(t, "one", a, b))
	a.SetReady(true)
	require.Eventually(t, func() bool { return a.self("one") && a.self("set/0") && a.self("set/3") }, within, tick)
	a.SetReady(false)
	<-time.After(10 * tick)
	assert.True(t, a.self("one"), "nobody else can")
	b.SetReady(true)
	for _, name := range []string{"one", "set/0", "set/3"} {
		require.Eventually(t, func() bool { return b.self(name) && !a.self(name) }, within, tick, name)
	}
}

// A replica with a name of its own comes back by it, while its former session has not ended yet.
func TestAnHeirIsTheNewestOfItsName(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", lasting)
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	dead := start(t, s, "b", lasting)
	require.Eventually(t, dead.Joined, within, tick)
	dead.stop()
	b := start(t, s, "b", lasting)
	require.Eventually(t, b.Joined, within, tick)
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.slot(2).Member == "b"
	}, within, tick)
	require.NoError(t, a.Resign(t.Context(), "one", "b"))
	require.Eventually(t, func() bool { return b.self("one") }, within, tick)
}

// While one revision follows another, leases and numbers of slots may differ.
func TestOthersWaitForTheLeaseThatASessionHas(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", lasting)
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	b := start(t, s, "b", nil)
	a.link.set(true) // it does not renew, and may go on leading
	for range 10 {
		<-time.After(steady.Duration / 5)
		require.Equal(t, "a", leader(t, "one", a, b))
	}
}

func TestASessionInASlotThatOnlyOthersKnow(t *testing.T) {
	s := store.NewMemory()
	a := start(t, s, "a", nil)
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	b := start(t, s, "b", nil)
	require.Eventually(t, b.Joined, within, tick)
	narrow := start(t, s, "narrow", func(o *Options) { o.Slots = 1; o.Auto = false })
	require.Eventually(t, func() bool { return a.Resign(t.Context(), "one", "b") == nil }, within, tick)
	require.Eventually(t, func() bool { is, _ := narrow.Status("one"); return is.Leader == "b" }, within, tick)
	assert.False(t, narrow.Joined(), "there is no slot left for it")
	a.stop()
	require.Eventually(t, narrow.Joined, within, tick, "until one dies")
	require.NoError(t, narrow.Stand(t.Context(), "one", true))
	b.stop()
	for range 10 {
		<-time.After(steady.Duration / 5)
		require.False(t, narrow.self("one"), "it cannot know that b is dead")
	}
}

func TestWhoStandsIsElected(t *testing.T) {
	s := store.NewMemory()
	asked := func(o *Options) { o.Auto = false }
	a, b := start(t, s, "a", asked), start(t, s, "b", asked)
	<-time.After(200 * time.Millisecond)
	assert.Empty(t, leader(t, "one", a, b), "nobody stands")
	require.NoError(t, b.Stand(t.Context(), "one", true))
	require.Eventually(t, func() bool { return b.self("one") }, within, tick)
	require.NoError(t, a.Stand(t.Context(), "one", true))
	require.NoError(t, b.Stand(t.Context(), "one", false))
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
}

func TestWhoAsksAgainDoesNotStayBack(t *testing.T) {
	a := start(t, store.NewMemory(), "a", func(o *Options) { lasting(o); o.Auto = false })
	require.NoError(t, a.Stand(t.Context(), "one", true))
	require.Eventually(t, func() bool { return a.self("one") }, within, tick)
	require.NoError(t, a.Stand(t.Context(), "one", false))
	assert.False(t, a.self("one"))
	require.NoError(t, a.Stand(t.Context(), "one", true))
	require.Eventually(t, func() bool { return a.self("one") }, within, tick, "it has resigned, and asks to lead all the same")

	require.NoError(t, a.Resign(t.Context(), "one", ""))
	require.NoError(t, a.Stand(t.Context(), "one", true)) // as it has all the time
	require.Never(t, func() bool { return a.self("one") }, 200*time.Millisecond, tick, "who resigns, and goes on standing, leaves it to others")
}

func TestWhoHasBeenFollowedDoesNotStayBack(t *testing.T) {
	table := store.NewMemory()
	a, b := start(t, table, "a", lasting), start(t, table, "b", lasting)
	require.Eventually(t, func() bool { return a.self("one") || b.self("one") }, within, tick)
	leader, other := a, b
	if b.self("one") {
		leader, other = b, a
	}
	for range 4 {
		require.NoError(t, leader.Resign(t.Context(), "one", ""))
		require.Eventually(t, func() bool { return other.self("one") }, within, tick, "it has resigned before, and was followed")
		leader, other = other, leader
	}
}

// rate is a clock that goes wrong.
type rate struct {
	Clock
	of float64
}

func (r rate) Now() time.Duration { return time.Duration(float64(r.Clock.Now()) * r.of) }
func (r rate) After(d time.Duration) <-chan time.Time {
	return r.Clock.After(time.Duration(float64(d) / r.of))
}

// reigns are the times in which somebody called itself the leader, by terms.
type reigns struct {
	mu  sync.Mutex
	all map[string]map[uint64]*reign
}

type reign struct {
	member      string
	first, last time.Time // the first and the last moment of which it is certain
}

func (r *reigns) note(e *elector, name string) {
	before := time.Now()
	s, _ := e.Status(name)
	after := time.Now()
	if !s.Self {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[name] == nil {
		r.all[name] = map[uint64]*reign{}
	}
	is := r.all[name][s.Term]
	if is == nil {
		is = &reign{member: e.Member, first: after, last: after}
		r.all[name][s.Term] = is
	}
	if before.After(is.last) {
		is.last = before
	}
	if is.member != e.Member {
		is.member = "two: " + is.member + ", " + e.Member
	}
}

// overlaps of terms, or two members with one.
func (r *reigns) overlaps() (found []string) {
	for name, terms := range r.all {
		for term, is := range terms {
			if len(is.member) > 5 {
				found = append(found, fmt.Sprintf("%s: term %d is of %s", name, term, is.member))
			}
			for other, o := range terms {
				if other > term && o.first.Before(is.last) {
					found = append(found, fmt.Sprintf("%s: term %d of %s is %v older than the end of term %d of %s", name, other, o.member, is.last.Sub(o.first), term, is.member))
				}
			}
		}
	}
	return found
}

// storm is what happens to electors for a while.
func storm(t *testing.T, lease Lease) *reigns {
	s := store.NewMemory()
	r := &reigns{all: map[string]map[uint64]*reign{}}
	names := []string{"one", "two", "three"}
	var all []*elector
	for i, of := range []float64{1, 0.93, 1.07, 1} {
		e := start(t, s, string(rune('a'+i)), func(o *Options) {
			o.Elections, o.Lease, o.Clock = names, lease, rate{System(), of}
		})
		e.link.lose, e.link.slow = 0.05, 10*time.Millisecond
		all = append(all, e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for _, e := range all {
		group.Go(func() {
			for ctx.Err() == nil {
				for _, name := range names {
					r.note(e, name)
				}
				<-time.After(100 * time.Microsecond)
			}
		})
		group.Go(func() {
			for ctx.Err() == nil {
				<-time.After(time.Duration(rand.Int64N(int64(600 * time.Millisecond))))
				switch rand.IntN(3) {
				case 0:
					e.link.set(true)
					<-time.After(time.Duration(rand.Int64N(int64(800 * time.Millisecond))))
					e.link.set(false)
				case 1:
					_ = e.Resign(ctx, names[rand.IntN(3)], string(rune('a'+rand.IntN(4))))
				default:
					_ = e.Resign(ctx, names[rand.IntN(3)], "")
				}
			}
		})
	}
	group.Wait()
	return r
}

func TestNoTwoLeadByTheirOwnAccount(t *testing.T) {
	t.Parallel()
	r := storm(t, quick)
	assert.Empty(t, r.overlaps())
	terms := 0
	for _, of := range r.all {
		terms += len(of)
	}
	assert.Greater(t, terms, 10, "there were changes")
}

func TestTheStormFindsALeaseWithoutMargin(t *testing.T) {
	t.Parallel()
	without := quick
	without.RenewDeadline = 2 * without.Duration
	assert.NotEmpty(t, storm(t, without).overlaps())
}
