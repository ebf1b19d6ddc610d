//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The provider is killed at a request of an apply and at one of a destroy: before the engine has got it, or before the
// provider has got the answer. All moments are tried, one in each round, in an order that spreads them.
func TestTheProviderKilledInTheMiddleLosesNothing(t *testing.T) {
	const rounds = 6
	on(t, func(s *stage) {
		s.runs(demo())
		s.apply("-refresh=false")
		applies := len(s.proxy.take())
		whole := kindsOf(s.left(s.T, "web"))
		s.must("destroy", "-auto-approve", "-refresh=false")
		destroys := len(s.proxy.take())
		s.gone("web")
		require.Greater(s, applies, 3)
		require.Greater(s, destroys, 2)

		for round := range rounds {
			answered := round%2 == 1
			at := 1 + round*(applies-1)/(rounds-1)
			require.True(s, s.killAt(at, answered, "apply", "-auto-approve", "-refresh=false"), "apply, at request %d of %d", at, applies)
			s.Logf("apply: killed at request %d of %d (answered: %v); there was %v", at, applies, answered, s.left(s.T, "web"))
			s.apply()
			s.unchanged("after the interrupted apply")
			assert.Equal(s, whole, kindsOf(s.left(s.T, "web")), "what an undisturbed apply makes")

			at = 1 + round*(destroys-1)/(rounds-1)
			require.True(s, s.killAt(at, answered, "destroy", "-auto-approve", "-refresh=false"), "destroy, at request %d of %d", at, destroys)
			s.Logf("destroy: killed at request %d of %d (answered: %v); there was %v", at, destroys, answered, s.left(s.T, "web"))
			s.destroy()
			s.gone("web")
		}
	})
}

// An update that is interrupted is taken up by the next apply, whichever revision the engine has got.
func TestTheProviderKilledInTheMiddleOfAnUpdate(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(demo())
		s.apply()
		whole := kindsOf(s.left(s.T, "web"))
		delete(whole, "replicasets")
		for round, at := range []int{1, 4, 6} {
			s.runs(with(demo(), object{"main.env": object{"ROUND": fmt.Sprint(round)}}))
			require.True(s, s.killAt(at, round%2 == 1, "apply", "-auto-approve", "-refresh=false"), "at request %d", at)
			s.apply()
			s.unchanged("after the interrupted update")
			var now map[string]int
			eventually(s.T, 30*time.Second, func() bool { // the replicas of the former revision end
				now = kindsOf(s.left(s.T, "web"))
				delete(now, "replicasets") // Kubernetes keeps the former ones, for its own history
				return maps.Equal(whole, now)
			}, "what there is differs from what an undisturbed apply makes")
		}
		s.destroy()
		s.gone("web")
	})
}

// killAt runs a command and sends SIGKILL to its provider at a request; it tells whether that happened. With answered, the
// engine has done what it was asked for.
func (s *stage) killAt(at int, answered bool, args ...string) bool {
	s.Helper()
	c := s.command(args...)
	var killed atomic.Bool
	kill := func(n int, _ *http.Request) bool {
		if n < at {
			return true
		}
		for _, pid := range childrenOf(c.Process.Pid, binary) {
			if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) { // another request has ended it
				assert.NoError(s, err)
			}
			killed.Store(true)
		}
		return false
	}
	if answered {
		s.proxy.act(nil, kill)
	} else {
		s.proxy.act(kill, nil)
	}
	defer s.proxy.act(nil, nil)
	out, err := c.CombinedOutput()
	if killed.Load() {
		var exit *exec.ExitError
		require.ErrorAs(s, err, &exit, "terraform has not noticed: %s", out)
	}
	return killed.Load()
}

// kindsOf objects whose names differ from time to time.
func kindsOf(objects []string) map[string]int {
	count := map[string]int{}
	for _, o := range objects {
		for i := range o {
			if o[i] == '/' {
				count[o[:i]]++
				break
			}
		}
	}
	return count
}
