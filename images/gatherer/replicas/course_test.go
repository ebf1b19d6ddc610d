package replicas

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

// TestAnyCourseOfEvents does what comes to mind to a Set, and looks after each step whether what must hold does.
func TestAnyCourseOfEvents(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // the same each time
			s := New(Options{Outstanding: 1 + random.IntN(5)})
			limit := int64(s.options.Load().Outstanding)
			s.Update(addresses(1 + random.IntN(5)))
			var under []*Replica
			for range 2000 {
				switch random.IntN(12) {
				case 0:
					n := random.IntN(6)
					next := addresses(6)
					random.Shuffle(6, func(i, j int) { next[i], next[j] = next[j], next[i] })
					s.Update(next[:n])
				case 1:
					<-time.After(time.Duration(random.IntN(500)) * time.Millisecond)
				case 2: // probes
					for _, r := range *s.all.Load() {
						if mine, _, _ := r.breaker.probe(s.now()); mine {
							r.breaker.probed(s.now(), s.options.Load().Breaker, []string{"", "refused"}[random.IntN(2)])
						}
					}
				case 3, 4, 5, 6:
					if len(under) > 0 {
						at := random.IntN(len(under))
						under[at].Done(time.Duration(random.IntN(1e9)), Outcome(random.IntN(3)), "x")
						under = slices.Delete(under, at, at+1)
					}
				default:
					var not []*Replica
					for _, r := range under {
						if random.IntN(4) == 0 {
							not = append(not, r)
						}
					}
					var before []state
					free := false
					all := *s.all.Load()
					for _, r := range all {
						before = append(before, r.breaker.state())
						free = free || r.breaker.state() == closed && r.outstanding.Load() < limit && !slices.Contains(not, r)
					}
					r, err := s.Pick(not...)
					if err != nil {
						require.False(t, free, "one was free: %v", err)
						continue
					}
					was := before[slices.Index(all, r)]
					require.NotContains(t, not, r)
					require.Contains(t, []state{closed, halfOpen}, was, "one that is open is never asked")
					if was == halfOpen {
						require.False(t, free && len(not) > 0, "a second request is no try while another is well")
					}
					under = append(under, r)
				}
				for _, r := range *s.all.Load() {
					n := int64(0)
					for _, u := range under {
						if u == r {
							n++
						}
					}
					require.Equal(t, n, r.outstanding.Load())
					require.LessOrEqual(t, n, limit+1) // and one that tries
				}
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	s := set(Options{Outstanding: 3}, 4)
	var running, workers sync.WaitGroup
	stop := make(chan struct{})
	var most atomic.Int64
	for worker := range 6 {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 3)) //nolint:gosec // a test's
			for n := 0; n < 1000; {
				r, err := s.Pick()
				if err != nil {
					runtime.Gosched()
					continue
				}
				n++
				if n := r.outstanding.Load(); n > most.Load() {
					most.Store(n)
				}
				if r.outstanding.Load() < 1 {
					t.Error("outstanding is below what is under way")
				}
				_ = r.Pool()
				r.Done(time.Duration(random.IntN(1e7)), []Outcome{Success, Success, Success, Cancelled, Failure}[random.IntN(5)], "x")
			}
		})
	}
	running.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			s.Update(addresses(1 + i%4))
			s.Apply(Options{Outstanding: 3, Breaker: config.Breaker{Failures: 1 + i%3}})
			s.Status()
			s.Quantile(0.95)
			s.Ready()
			for _, r := range *s.all.Load() {
				if mine, _, _ := r.breaker.probe(s.now() + time.Hour); mine {
					r.breaker.probed(s.now(), s.options.Load().Breaker, "")
				}
			}
		}
	})
	workers.Wait()
	close(stop)
	running.Wait()
	assert.LessOrEqual(t, most.Load(), int64(4), "3, and one that tries")
	s.Update(addresses(4))
	for _, r := range s.Status().Replicas {
		assert.Zero(t, r.Outstanding)
	}
}
