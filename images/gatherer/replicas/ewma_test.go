package replicas

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const ms = float64(time.Millisecond)

func TestAverage(t *testing.T) {
	const start = time.Minute
	observed := func(blend bool, at ...float64) *average { // latency in ms, time in s, and so on
		a := &average{}
		for i := 0; i < len(at); i += 2 {
			now := start + time.Duration(at[i+1]*float64(time.Second))
			if blend {
				a.blend(at[i]*ms, now)
			} else {
				a.peak(at[i]*ms, now)
			}
		}
		return a
	}
	e := func(seconds float64) float64 { return math.Exp(-seconds / 10) }
	for _, test := range []struct {
		name     string
		average  *average
		at       float64 // s
		floor    float64 // ms
		expected float64 // ms
	}{
		{"nothing observed is nothing known", observed(false), 0, 5, 0},
		{"the first observation is all there is", observed(false, 7, 0), 0, 1, 7},
		{"what is slower counts at once", observed(false, 7, 0, 20, 0.001), 0.001, 1, 20},
		{"what is quicker counts by the time since the last", observed(false, 20, 0, 10, 10), 10, 1, 20*e(10) + 10*(1-e(10))},
		{"after long silence only the newest counts", observed(false, 1000, 0, 1, 300), 300, 1, 1},
		{"of many within a moment one counts", observed(false, 20, 0, 10, 10, 5, 10, 1, 10), 10, 1, 20*e(10) + 10*(1-e(10))},
		{"a blend is not jumped to", observed(true, 10, 0, 20, 10), 10, 1, 10*e(10) + 20*(1-e(10))},
		{"what is not asked sinks towards the floor", observed(false, 1000, 0), 10, 2, 2 + 998*e(10)},
		{"and not below", observed(false, 1000, 0), 1000, 2, 2},
		{"what is below the floor stays there", observed(false, 1, 0), 1000, 2, 1},
		{"who looked at the clock a little earlier sees no age", observed(false, 50, 1), 0, 2, 50},
		{"whole days are no age to be afraid of", observed(false, 50, 0), 4 * 86400, 2, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.average.at(start+time.Duration(test.at*float64(time.Second)), test.floor*ms) / ms
			assert.InEpsilon(t, test.expected+1, got+1, 1e-3)
		})
	}
}

func TestAverageStaysAmongWhatWasObserved(t *testing.T) {
	a := &average{}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20000 {
				a.peak(float64(10+(worker*31+i*17)%90)*ms, time.Duration(i)*tick)
				got := a.at(time.Duration(i)*tick, 5*ms)
				if got < 10*ms*0.999 || got > 100*ms {
					t.Errorf("%v", got)
					return
				}
			}
		})
	}
	group.Wait()
}
