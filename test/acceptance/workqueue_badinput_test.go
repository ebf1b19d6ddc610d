//go:build acceptance

package acceptance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is wrong with a pipeline is said by the plan, at its attribute, and before any engine is asked.
func TestWorkQueueFaultsAreShownByThePlan(t *testing.T) {
	t.Parallel()
	two := func() object {
		return workQueue(object{"first": step([]string{"/bin/true"}), "second": with(step([]string{"/bin/true"}), object{"from": []string{"first"}})})
	}
	for _, c := range []struct {
		name   string
		queue  object
		at     string
		reason string
	}{
		{"a cycle", with(two(), object{"stages.first.from": []string{"second"}}), "stages", "first -> second -> first"},
		{"a stage that is not there", with(two(), object{"stages.second.from": []string{"frist"}}), `stages["second"].from`, "frist"},
		{"a wait for a bucket that is watched", with(two(), object{"wait": true, "source.bucket": object{"url": "s3://pictures", "watch": "30s"}}), "wait", "never ends"},
		{"a wait for nothing", with(two(), object{"wait": true}), "wait", "no source"},
		{"fewer workers at most than at least", with(two(), object{"stages.first.workers": object{"min": 3, "max": 2}}), `stages["first"].workers`, ""},
		{"a name that the framework has", workQueue(object{"queue": step([]string{"/bin/true"})}), `stages["queue"]`, ""},
		{"a mode that is not there", with(two(), object{"stages.first.mode": "telepathy"}), `stages["first"].mode`, "telepathy"},
		{"two stores", with(two(), object{"store.postgres": object{"url": object{"secret": "a", "key": "b"}}}), "store", "at most one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkspace(t, "terraform")
			w.write(object{"nomad": object{"address": "http://127.0.0.1:1"}}, object{"resource": object{"pattern_work_queue": object{"work": with(c.queue, object{"name": "work"})}}})
			r := w.try("plan")
			require.Error(t, r.Err)
			assert.Contains(t, r.errors(), c.at)
			assert.Contains(t, r.errors(), c.reason)
		})
	}
}
