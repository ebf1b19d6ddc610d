package replicas

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

func addresses(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("10.0.0.%d:80", i+1))
	}
	return out
}

func set(o Options, n int) *Set {
	s := New(o)
	s.Update(addresses(n))
	return s
}

// load makes requests one after the other until the (fake) clock says so, and counts them by replica. A latency below 0 is a
// failure after so long.
func load(t *testing.T, s *Set, span time.Duration, latency func(address string) time.Duration) map[string]int {
	counts := map[string]int{}
	for end := time.Now().Add(span); time.Now().Before(end); {
		r, err := s.Pick()
		if err != nil {
			<-time.After(time.Millisecond)
			continue
		}
		counts[r.Address]++
		took, outcome := latency(r.Address), Success
		if took < 0 {
			took, outcome = -took, Failure
		}
		<-time.After(took)
		r.Done(took, outcome)
	}
	for _, r := range *s.all.Load() {
		require.Zero(t, r.outstanding.Load())
	}
	return counts
}

func TestChoice(t *testing.T) {
	all := addresses(3)
	t.Run("equals take turns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			counts := load(t, set(Options{}, 3), 20*time.Second, func(string) time.Duration { return 10 * time.Millisecond })
			for _, a := range all {
				assert.InDelta(t, 667, counts[a], 250, counts)
			}
		})
	})
	t.Run("requests under way weigh as much as latency", func(t *testing.T) {
		s := set(Options{}, 3)
		counts := map[*Replica]int{}
		for range 300 {
			r, err := s.Pick()
			require.NoError(t, err)
			counts[r]++
		}
		for r, n := range counts {
			assert.Equal(t, 100, n, r.Address)
		}
	})
	t.Run("a slow one is asked rarely, but again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(Options{}, 3)
			slow := true
			latency := func(a string) time.Duration {
				if a == all[0] && slow {
					return time.Second
				}
				return 5 * time.Millisecond
			}
			counts := load(t, s, 5*time.Minute, latency)
			assert.LessOrEqual(t, counts[all[0]], 8)
			assert.GreaterOrEqual(t, counts[all[0]], 3, "within less than two minutes")
			slow = false
			counts = load(t, s, 3*time.Minute, latency)
			assert.Greater(t, counts[all[0]], 2000, "it gets its share once it is quick again: %v", counts)
		})
	})
	t.Run("one that comes is neither flooded nor left out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(Options{}, 3)
			latency := func(string) time.Duration { return 10 * time.Millisecond }
			load(t, s, 10*time.Second, latency)
			s.Update(addresses(4))
			counts := map[string]int{}
			var picked []*Replica
			for range 80 {
				r, err := s.Pick()
				require.NoError(t, err)
				picked = append(picked, r)
				counts[r.Address]++
			}
			assert.InDelta(t, 20, counts["10.0.0.4:80"], 3, "before it has answered: %v", counts)
			for _, r := range picked {
				r.Done(10*time.Millisecond, Success)
			}
			counts = load(t, s, 10*time.Second, latency)
			assert.InDelta(t, 250, counts["10.0.0.4:80"], 120, counts)
		})
	})
	t.Run("one that fails at once is not the quickest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(Options{Breaker: config.Breaker{Failures: 1 << 30}}, 3)
			counts := load(t, s, time.Minute, func(a string) time.Duration {
				if a == all[0] {
					return -100 * time.Microsecond
				}
				return 10 * time.Millisecond
			})
			assert.Less(t, counts[all[0]], 100, "of 6000")
		})
	})
	t.Run("one that is always cancelled, as others are quicker, is not the first choice for long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(Options{}, 3)
			load(t, s, time.Second, func(string) time.Duration { return 10 * time.Millisecond })
			n := 0
			for range 1000 {
				r, err := s.Pick()
				require.NoError(t, err)
				if r.Address != all[0] {
					<-time.After(10 * time.Millisecond)
					r.Done(10*time.Millisecond, Success)
					continue
				}
				n++
				<-time.After(50 * time.Millisecond) // as long as a hedge takes
				r.Done(50*time.Millisecond, Cancelled)
			}
			assert.Less(t, n, 10)
			assert.Positive(t, n)
			assert.Equal(t, "closed", s.Status().Replicas[0].Breaker, "it has not failed")
		})
	})
	t.Run("those that were asked are left out, while there are others", func(t *testing.T) {
		s := set(Options{}, 2)
		a, err := s.Pick()
		require.NoError(t, err)
		assert.True(t, s.Others([]*Replica{a}))
		b, err := s.Pick(a)
		require.NoError(t, err)
		assert.NotEqual(t, a, b)
		_, err = s.Pick(a, b)
		require.ErrorIs(t, err, ErrNoReplica)
		assert.EqualError(t, err, "no replica besides those that were asked")
		assert.Equal(t, int64(1), a.outstanding.Load())
	})
	t.Run("nothing known is said so", func(t *testing.T) {
		_, err := New(Options{}).Pick()
		assert.EqualError(t, err, "no replica: no address is known")
		assert.False(t, New(Options{}).Ready())
	})
	t.Run("a replica gets only so many requests at once, by the newest settings", func(t *testing.T) {
		s := set(Options{Outstanding: 2}, 2)
		for range 4 {
			_, err := s.Pick()
			require.NoError(t, err)
		}
		_, err := s.Pick()
		require.ErrorIs(t, err, ErrBusy)
		s.Apply(Options{Outstanding: 3})
		r, err := s.Pick()
		require.NoError(t, err)
		r.Done(time.Millisecond, Success)
	})
}

func TestBreakersInASet(t *testing.T) {
	all := addresses(2)
	fail := func(t *testing.T, s *Set, times int, not ...*Replica) *Replica {
		var r *Replica
		for range times {
			var err error
			r, err = s.Pick(not...)
			require.NoError(t, err)
			r.Done(time.Millisecond, Failure, "connection refused")
		}
		return r
	}
	t.Run("one that is dead costs nothing more, and the reason is told when no other is there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(Options{}, 2)
			counts := load(t, s, 5*time.Minute, func(a string) time.Duration {
				if a == all[0] {
					return -time.Millisecond
				}
				return 10 * time.Millisecond
			})
			assert.Equal(t, 3, counts[all[0]])
			fail(t, s, 3)
			_, err := s.Pick()
			require.ErrorIs(t, err, ErrNoReplica)
			assert.Equal(t, "no replica: failed", err.Error())
			assert.False(t, s.Ready())
		})
	})
	t.Run("one that is well again gets a request though others are well too, but no retry and no hedge", func(t *testing.T) {
		s := set(Options{}, 2)
		other := (*s.all.Load())[1]
		dead := fail(t, s, 3, other)
		dead.breaker.mu.Lock()
		dead.breaker.halve(s.now()) // as a probe that succeeds
		dead.breaker.mu.Unlock()
		third := &Replica{}
		for range 20 {
			r, err := s.Pick(third)
			require.NoError(t, err)
			require.Equal(t, other, r)
		}
		r, err := s.Pick()
		require.NoError(t, err)
		require.Equal(t, dead, r)
		for range 20 {
			r, err := s.Pick()
			require.NoError(t, err)
			require.Equal(t, other, r, "one tries, others do not")
		}
		dead.Done(time.Millisecond, Success)
		assert.Equal(t, "closed", s.Status().Replicas[0].Breaker)
	})
	t.Run("one that hangs while it tries does not get one request after the other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(Options{Breaker: config.Breaker{Probe: config.Duration(100 * time.Millisecond)}}, 1)
			dead := fail(t, s, 3)
			dead.breaker.mu.Lock()
			dead.breaker.halve(s.now())
			dead.breaker.mu.Unlock()
			r, err := s.Pick()
			require.NoError(t, err)
			r.Done(time.Second, Cancelled)
			_, err = s.Pick()
			require.EqualError(t, err, "no replica: connection refused")
			<-time.After(100 * time.Millisecond)
			_, err = s.Pick()
			require.NoError(t, err)
		})
	})
	t.Run("when it opens, connections are not used again", func(t *testing.T) {
		s := set(Options{}, 1)
		was := (*s.all.Load())[0].Pool()
		fail(t, s, 3)
		assert.NotSame(t, was, (*s.all.Load())[0].Pool())
	})
}

func TestUpdate(t *testing.T) {
	s := set(Options{}, 3)
	first := *s.all.Load()
	r, err := s.Pick(first[1], first[2])
	require.NoError(t, err)
	s.Update([]string{"10.0.0.9:80", "10.0.0.2:80", "10.0.0.9:80"})
	now := *s.all.Load()
	require.Len(t, now, 2)
	assert.Same(t, first[1], now[1], "who stays is the same")
	assert.Equal(t, "10.0.0.9:80", now[0].Address)
	assert.True(t, first[0].left.Load())
	assert.True(t, first[2].left.Load())
	r.Done(time.Millisecond, Success) // who goes may end what it has begun
	assert.Zero(t, r.outstanding.Load())
	for range 100 {
		r, err := s.Pick()
		require.NoError(t, err)
		assert.NotContains(t, first[:1], r)
	}
	s.Update(nil)
	_, err = s.Pick()
	assert.ErrorIs(t, err, ErrNoReplica)
}

func TestQuantileCountsWhatWasCancelledForBeingSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(Options{}, 2)
		for i := range 1000 {
			r, err := s.Pick()
			require.NoError(t, err)
			switch i % 20 {
			case 19: // hedged, and the hedge was quicker
				r.Done(30*time.Millisecond, Cancelled)
			case 9: // a hedge that was sent in vain
				r.Done(time.Millisecond, Cancelled)
			default:
				r.Done(10*time.Millisecond, Success)
			}
		}
		<-time.After(refresh)
		assert.InDelta(t, 0.010, s.Quantile(0.5).Seconds(), 0.0013)
		assert.InDelta(t, 0.010, s.Quantile(0.02).Seconds(), 0.0013)
		assert.InDelta(t, 0.030, s.Quantile(0.97).Seconds(), 0.004)
	})
}
