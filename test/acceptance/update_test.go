//go:build acceptance

package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPromise03AnApplyFailsEarlyAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    object
		reason    string
		container string
		log       string
	}{
		{
			name: "ACrashLoop", change: object{"main.args": []string{"nonsense"}},
			reason: "CrashLoopBackOff", container: "main", log: "demo serve ADDR",
		},
		{
			name: "ACrashLoopOfTheSidecar", change: object{"sidecars.helper.container.args": []string{"nonsense"}},
			reason: "CrashLoopBackOff", container: "helper", log: "demo serve ADDR",
		},
		{
			name: "AnImageThatIsNotThere", change: object{"sidecars.helper.container.image": demoTag("none")},
			reason: "ImagePullBackOff", container: "helper",
		},
		{
			name: "MoreMemoryThanAnyMachineHas", change: object{"main.resources": object{"requests": object{"memory": "4Ti"}}},
			reason: "Unschedulable",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			on(t, func(s *stage) {
				s.runs(demo())
				s.apply()
				before := s.instance("web")
				old := s.replicas(s.T, "web")[0]
				visitor := visit(s.T, "http://"+old.Address+"/")

				s.runs(with(demo(), c.change))
				r := s.failApply()
				s.Logf("failed after %s: %s", r.Took.Round(time.Second), r.errors())
				assert.Equal(s, "update", r.Changes["pattern_sidecar.web"], "in place")
				said := r.errors()
				assert.Contains(s, said, "did not become ready: "+c.reason+"; it was rolled back")
				if c.container != "" {
					assert.Contains(s, said, `in container "`+c.container+`"`)
					assert.Contains(s, said, "Last events:")
				}
				if c.log != "" {
					assert.Contains(s, said, "Last log lines:")
					assert.Contains(s, said, c.log)
				}
				assert.Less(s, r.Took, 85*time.Second, "before the timeout of 90 s")

				served, failed := visitor.stop()
				assert.Positive(s, served)
				assert.Zero(s, failed, "the old replica serves all the time")
				assert.Equal(s, old.ID, s.replicas(s.T, "web")[0].ID, "and stays")
				after := s.instance("web")
				assert.Equal(s, before["revision"], after["revision"])
				assert.Equal(s, "ready", after["status"].(object)["phase"])
				assert.Equal(s, "update", s.plan().Changes["pattern_sidecar.web"], "what was wanted is still planned")
				s.runs(demo())
				s.unchanged("with the former configuration")
			})
		})
	}
}

func TestOnlyTheSidecarsImageIsReplacedInPlace(t *testing.T) {
	on(t, func(s *stage) {
		second := demoTag("2")
		s.runs(demo())
		s.apply()
		s.runs(with(demo(), object{"sidecars.helper.container.image": second}))
		require.Equal(s, object{"pattern_sidecar.web": "update"}, asObject(s.apply().Changes))
		s.unchanged("after the update")
		replicas := s.replicas(s.T, "web")
		require.Len(s, replicas, 1)
		assert.Equal(s, second, replicas[0].Images["helper"])
		assert.Equal(s, demoImage, replicas[0].Images["main"])
	})
}

func TestWhatASidecarWentThroughBeforeDoesNotFailAnUpdate(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(demo())
		s.apply()
		for range 3 {
			s.kill(s.replicas(s.T, "web")[0], "helper")
		}
		s.unchanged("after the restarts")
		s.runs(with(demo(), object{"main.probes.readiness.period": "2s"}))
		s.apply()
		s.unchanged("after the update")
	})
}

func TestOneTimeoutRulesAnApply(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(with(demo(), object{
			"main.probes.readiness.http.path": "/", "main.args": []string{"serve", ":8081"}, // nobody listens at the port of the probe
			"timeouts": object{"create": "15s"},
		}))
		r := s.failApply()
		s.Logf("failed after %s: %s", r.Took.Round(time.Second), r.errors())
		assert.Regexp(s, "did not become ready: (Timeout|ProgressDeadlineExceeded)", r.errors())
		assert.Contains(s, r.errors(), "main")
		assert.Greater(s, r.Took, 10*time.Second)
		assert.Less(s, r.Took, time.Minute)
	})
}

func TestPromise08AFailedWaitLosesNothing(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(with(demo(), object{"main.args": []string{"nonsense"}}))
		r := s.failApply()
		require.Contains(s, r.errors(), "CrashLoopBackOff")
		require.NotNil(s, s.instance("web"), "it is in the state")
		require.NotEmpty(s, s.left(s.T, "web"), "and in the cluster")

		s.runs(demo())
		s.apply()
		s.unchanged("after the mend")
		s.destroy()
		s.gone("web")
	})
}

// demoTag is the demo's image under another tag; the tag none is not there.
func demoTag(tag string) string {
	return strings.TrimSuffix(demoImage, ":1") + ":" + tag
}
