package replicas

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

func TestBreaker(t *testing.T) {
	settings := config.Breaker{Failures: 3, Probe: config.Duration(100 * time.Millisecond), ProbeMax: config.Duration(time.Second)}
	type step func(t *testing.T, b *breaker, now time.Duration)
	is := func(want string, reason string) step {
		return func(t *testing.T, b *breaker, _ time.Duration) {
			state, why := b.why()
			assert.Equal(t, want, state.String())
			assert.Equal(t, reason, why)
		}
	}
	success := func(_ *testing.T, b *breaker, now time.Duration) { b.success(now) }
	failure := func(_ *testing.T, b *breaker, now time.Duration) { b.failure(now, settings, "refused") }
	undecided := func(_ *testing.T, b *breaker, now time.Duration) { b.undecided(now) }
	probe := func(why string) step {
		return func(t *testing.T, b *breaker, now time.Duration) {
			mine, _, _ := b.probe(now)
			assert.True(t, mine, "a probe is due")
			mine, due, _ := b.probe(now)
			assert.False(t, mine || due, "only one at a time")
			b.probed(now, settings, why)
		}
	}
	noProbe := func(t *testing.T, b *breaker, now time.Duration) {
		mine, _, _ := b.probe(now)
		assert.False(t, mine, "no probe is due")
	}
	tries := func(want bool) step {
		return func(t *testing.T, b *breaker, now time.Duration) { assert.Equal(t, want, b.try(now)) }
	}
	type at struct {
		ms   time.Duration
		step step
	}
	opened := []at{{0, failure}, {0, failure}, {0, failure}}
	for _, test := range []struct {
		name  string
		fresh bool // not probed yet
		steps []at
	}{
		{"it is closed at first, and probed once", true, []at{{0, is("closed", "")}, {0, probe("")}, {0, is("closed", "")}, {9999, noProbe}, {9999, is("closed", "")}}},
		{"a first probe that fails opens it", true, []at{{0, probe("refused")}, {0, is("open", "refused")}}},
		{"a first probe that fails is too late when a request has succeeded", true, []at{{0, success}, {0, probe("refused")}, {0, is("closed", "")}}},
		{"failures in a row open it", false, append(opened, at{0, is("open", "refused")}, at{0, tries(false)})},
		{"after a request that fails it is probed, and probes that fail count", false, []at{{0, success}, {500, failure}, {500, probe("refused")}, {500, is("closed", "refused")}, {599, noProbe},
			{600, probe("still refused")}, {600, is("open", "still refused")}}},
		{"after a request that fails, one that succeeds ends it", false, []at{{500, failure}, {500, success}, {500, probe("refused")}, {500, is("closed", "")}, {9999, noProbe}}},
		{"after a request that fails, a probe that succeeds says nothing", false, []at{{0, success}, {500, failure}, {500, probe("")}, {500, is("closed", "refused")}, {9999, noProbe},
			{9999, failure}, {9999, failure}, {9999, is("open", "refused")}}},
		{"requests that fail often do not have it probed often", false, []at{{500, failure}, {500, probe("")}, {500, success}, {501, failure}, {501, noProbe}, {501, success}, {599, failure},
			{599, noProbe}, {600, probe("")}}},
		{"failures that are not in a row do not", false, []at{{0, failure}, {0, failure}, {0, success}, {0, failure}, {0, failure}, {0, is("closed", "refused")}}},
		{"it is probed after a pause", false, append(opened, at{99, noProbe}, at{100, probe("")}, at{100, is("half_open", "refused")})},
		{"pauses double to the longest", false, append(opened, at{100, probe("a")}, at{299, noProbe}, at{300, probe("b")}, at{699, noProbe}, at{700, probe("c")},
			at{1499, noProbe}, at{1500, probe("d")}, at{2499, noProbe}, at{2500, probe("e")}, at{3499, noProbe}, at{3500, probe("f")}, at{3500, is("open", "f")})},
		{"half open, one request tries", false, append(opened, at{100, probe("")}, at{100, tries(true)}, at{100, tries(false)}, at{100, success}, at{100, is("closed", "")})},
		{"a try that fails opens it for twice as long", false, append(opened, at{100, probe("")}, at{100, tries(true)}, at{150, failure}, at{150, is("open", "refused")},
			at{349, noProbe}, at{350, probe("")}, at{350, tries(true)})},
		{"a try that is cancelled is followed by another after a pause", false, append(opened, at{100, probe("")}, at{100, tries(true)}, at{150, undecided}, at{150, is("half_open", "refused")},
			at{249, tries(false)}, at{250, tries(true)})},
		{"once closed, pauses begin anew", false, append(opened, at{100, probe("x")}, at{300, probe("")}, at{300, tries(true)}, at{300, success},
			at{300, failure}, at{300, failure}, at{300, failure}, at{399, noProbe}, at{400, probe("")})},
		{"a request of before that fails late changes nothing", false, append(opened, at{50, failure}, at{100, probe("")}, at{110, failure}, at{110, is("half_open", "refused")})},
		{"a request of before that succeeds late is as good as a probe", false, append(opened, at{50, success}, at{50, is("half_open", "refused")}, at{50, tries(true)}, at{50, success}, at{50, is("closed", "")})},
		{"a probe that fails while a request tries does not decide", false, append(opened, at{100, func(t *testing.T, b *breaker, now time.Duration) {
			mine, _, _ := b.probe(now)
			assert.True(t, mine)
			b.success(now) // half open
			assert.True(t, b.try(now))
			b.probed(now, settings, "refused")
		}}, at{100, success}, at{100, is("closed", "")})},
	} {
		t.Run(test.name, func(t *testing.T) {
			const start = time.Hour
			b := &breaker{}
			b.begin(start)
			if !test.fresh {
				b.probe(start)
				b.probed(start, settings, "")
			}
			for _, s := range test.steps {
				s.step(t, b, start+s.ms*time.Millisecond)
			}
		})
	}
}
