//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// waited is a work queue with a list, whose apply ends with the work.
func waited(items object, stages object) object {
	q := workQueue(stages)
	q["source"], q["wait"] = object{"list": items}, true
	return q
}

// An apply with wait = true is a batch job: it ends with the work, fails with the errors of what has failed, and succeeds
// after what was done about them.
func TestWorkQueueWaitEndsWithTheWork(t *testing.T) {
	onQueue(t, func(s *stage) {
		items := object{}
		for i := range 20 {
			items[fmt.Sprintf("item-%02d", i)] = fmt.Sprintf("echo %d >$WORK_OUTPUT_FILE", i)
		}
		stages := object{
			"make": with(step(obey), object{"workers": object{"min": 0, "max": 2, "concurrency": 2}, "backoff": object{"min": "100ms", "max": "200ms"}, "max_attempts": 2}),
			"copy": with(step([]string{"/bin/busybox", "cp", "$(WORK_ITEM_FILE)", "$(WORK_OUTPUT_FILE)"}), object{"from": []string{"make"}}),
		}
		s.works(waited(items, stages))
		s.applies("20 items to their end")
		assert.Equal(s, object{"make": object{"done": 20.0}, "copy": object{"done": 20.0}}, numbers(s.instance("work")["counts"]))
		s.unchanged("after all is done")
		c := s.client()
		require.Len(s, c.outputNames(), 20)

		// Two that fail: one for good, one whenever it is tried.
		items["bad"] = "echo some words; echo no such colour >&2; exit 3"
		items["tired"] = "echo too tired >&2; exit 75"
		s.works(waited(items, stages))
		r := s.failApply()
		s.Logf("after %s: %s", r.Took.Round(time.Second), r.errors())
		for _, said := range []string{"make", "bad", "exit code 3", "no such colour", "tired", "too tired"} {
			assert.Contains(s, r.errors(), said)
		}
		assert.NotContains(s, r.errors(), "some words", "standard output")
		assert.Equal(s, object{"make": object{"done": 20.0, "dead": 2.0}, "copy": object{"done": 20.0}}, numbers(s.instance("work")["counts"]))
		for _, i := range c.items("make") {
			if i.Name == "tired" {
				assert.Equal(s, 2, i.Attempt)
			}
		}

		// One is purged; the command that the other one fails with is mended, and it is tried again.
		var count api.CountAnswer
		c.do(http.MethodPost, "/v1/stages/make/purge", api.SelectRequest{Names: []string{"bad"}}, &count)
		assert.Equal(s, 1, count.Count)
		delete(items, "bad")
		stages["make"] = with(stages["make"].(object), object{"command": shell(`[ $WORK_ITEM_NAME != long ] || busybox sleep 200; echo rested >$WORK_OUTPUT_FILE`)})
		s.works(waited(items, stages))
		assert.Contains(s, s.failApply().errors(), "1 dead letters", "it is still there")
		c.do(http.MethodPost, "/v1/stages/make/redrive", api.SelectRequest{All: true}, &count)
		assert.Equal(s, 1, count.Count)
		assert.Equal(s, "update", s.applies("what was given another chance").Changes[workAddress], "what has failed is waited for again")
		counts := numbers(s.instance("work")["counts"]).(object)
		assert.Equal(s, object{"done": 21.0}, counts["copy"])
		assert.Equal(s, "rested\n", c.outputs()["tired"])
		s.unchanged("after the mend")

		// Work that is not done in time.
		items["long"] = ""
		q := waited(items, stages)
		q["timeouts"] = object{"update": "25s"}
		s.works(q)
		r = s.failApply()
		s.Logf("after %s: %s", r.Took.Round(time.Second), r.errors())
		assert.Contains(s, r.errors(), "is not done after")
		assert.Contains(s, r.errors(), "1 items left, 42 done, 0 dead letters, 21 outputs")
		assert.Less(s, r.Took, 75*time.Second)
		s.destroy()
		s.gone(s.queue())
	})
}

// Workers that cannot start fail an apply at once, with what the worker says.
func TestWorkQueueWaitFailsEarlyWithoutAWorker(t *testing.T) {
	onQueue(t, func(s *stage) {
		s.works(waited(object{"a": "echo"}, object{"make": step([]string{"/bin/nonsense", "$(WORK_ITEM_FILE)"})}))
		r := s.failApply()
		s.Logf("after %s: %s", r.Took.Round(time.Second), r.errors())
		assert.Contains(s, r.errors(), `group "make"`)
		assert.Contains(s, r.errors(), "/bin/nonsense")
		assert.Less(s, r.Took, 75*time.Second, "before the timeout of 90 s")
		s.destroy()
		s.gone(s.queue())
	})
}

// numbers are counts without those that are zero.
func numbers(counts any) any {
	all := object{}
	stages, _ := counts.(object)
	for stage, states := range stages {
		left := object{}
		of, _ := states.(object)
		for state, n := range of {
			if n != 0.0 {
				left[state] = n
			}
		}
		all[stage] = left
	}
	return all
}
