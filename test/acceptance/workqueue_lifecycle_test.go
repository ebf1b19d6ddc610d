//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

const workAddress = "pattern_work_queue.work"

// The life of a work queue: what each change restarts, what it leaves alone, and what is left in the end.
func TestWorkQueueLifecycle(t *testing.T) {
	onQueue(t, func(s *stage) {
		upper := shell(`busybox tr a-z A-Z <$WORK_ITEM_FILE >$WORK_OUTPUT_FILE`)
		q := workQueue(object{
			"prepare": step(obey),
			"publish": with(step(upper), object{"from": []string{"prepare"}}),
		})
		q["store"].(object)["embedded"].(object)["delete_with_instance"] = false

		s.works(q)
		s.proxy.take()
		r := s.applies("a new work queue")
		require.Equal(s, "create", r.Changes[workAddress])
		s.Logf("created in %s by %d requests", r.Took.Round(time.Second), len(s.proxy.take()))
		s.unchanged("after the creation")
		s.Logf("refreshed by %d requests", len(s.proxy.take()))
		work := s.instance("work")
		assert.Equal(s, "ready", work["status"].(object)["phase"])
		assert.Equal(s, "http://"+s.serving(s.T, s.queue())[0], work["url"])
		c := s.client()
		s.noTokens()

		c.push("prepare", map[string]string{"a": "echo one >$WORK_OUTPUT_FILE"})
		c.reaches("publish", api.Done, 1)
		assert.Equal(s, map[string]string{"a": "ONE\n"}, c.outputs())

		// Another command of one stage, while an item of it is in flight: that is given back and done by the new workers.
		server, other := ids(s.workers("queue")), ids(s.workers("prepare"))
		started := s.started("queue", "prepare")
		c.push("publish", map[string]string{"b": "b"})
		c.reaches("publish", api.Done, 2)
		slow := with(q, object{"stages.publish.command": shell(`busybox sleep 40; busybox cat $WORK_ITEM_FILE >$WORK_OUTPUT_FILE`)})
		s.works(slow)
		s.applies("a slow command")
		c.push("publish", map[string]string{"c": "c"})
		c.reaches("publish", api.InFlight, 1)
		s.works(with(slow, object{"stages.publish.command": shell(`busybox rev <$WORK_ITEM_FILE >$WORK_OUTPUT_FILE`), "stages.publish.timeout": "4m"}))
		begun := time.Now()
		r = s.applies("the command of a stage")
		require.Equal(s, "update", r.Changes[workAddress])
		c.reaches("publish", api.Done, 3)
		s.Logf("an update of a command in %s; the item that was in flight was done after %s", r.Took.Round(time.Second), time.Since(begun).Round(time.Second))
		assert.Equal(s, server, ids(s.workers("queue")), "the server stays")
		assert.Equal(s, other, ids(s.workers("prepare")), "the other stage's workers stay")
		assert.Equal(s, started, s.started("queue", "prepare"), "and are not started anew")
		for _, i := range c.items("publish") {
			assert.Equal(s, 1, i.Attempt, "%s: what is given back at the end of a worker is no attempt", i.Name)
		}
		s.unchanged("after the update of a stage")

		// Bounds of a stage, the server's own settings, a stage more.
		q = with(q, object{"stages.prepare.workers": object{"min": 0, "max": 3, "scale_in_after": "1s"}, "queue.retention": "48h"})
		s.works(q)
		s.applies("bounds and retention")
		eventually(s.T, 30*time.Second, func() bool { return len(s.workers("prepare")) == 0 }, "no item, no worker")
		s.unchanged("with the number of workers that the server has chosen")
		server, started = ids(s.workers("queue")), s.started("queue")
		q = with(q, object{"stages.third": step(obey), "stages.prepare.workers.max": 2, "queue.deduplication_window": "1m"})
		s.works(q)
		s.applies("a stage more")
		s.unchanged("with another stage")
		c.push("third", map[string]string{"x": "echo x >$WORK_OUTPUT_FILE"})
		c.reaches("third", api.Done, 1)

		assert.Equal(s, server, ids(s.workers("queue")), "the server stays")
		assert.Equal(s, started, s.started("queue"), "it takes its new settings into use while it runs")

		// Import.
		for _, id := range []string{s.namespace + "/" + s.queue(), s.queue()} {
			s.forget()
			s.raw("import", "-input=false", workAddress, id)
			s.unchanged("after the import of " + id)
		}

		// A stage less. It has an item that nobody works on any more, and is shown.
		c.push("third", map[string]string{"y": "exit 75"})
		eventually(s.T, 30*time.Second, func() bool { return c.counts("third")[api.Delayed] == 1 }, "it is to be retried")
		q = with(q, object{"stages.third": nil, "stages.publish.command": upper})
		s.works(q)
		s.applies("a stage less")
		s.unchanged("with a stage less")
		assert.Empty(s, s.workers("third"))
		eventually(s.T, time.Minute, func() bool {
			for _, st := range c.status().Stages {
				if st.Removed != (st.Name == "third") {
					return false
				}
			}
			return true
		}, "the server knows what it has still items of")
		c.push("prepare", map[string]string{"d": "echo four >$WORK_OUTPUT_FILE"})
		c.reaches("publish", api.Done, 4)
		before := c.outputNames()

		// The data outlives the instance.
		s.destroy()
		kept := s.data(s.T)
		require.Len(s, kept, 1, "the queue's volume")
		left := s.left(s.T, s.queue())
		eventually(s.T, 20*time.Second, func() bool {
			left = s.left(s.T, s.queue())
			return len(left) == 0 || len(left) == 1 && left[0] == "persistentvolumeclaims/"+kept[0]
		}, "is left: %v", lazy{&left})
		q["store"].(object)["embedded"].(object)["delete_with_instance"] = true
		s.works(q)
		s.applies("the same work queue again")
		c = s.client()
		assert.ElementsMatch(s, before, c.outputNames(), "the same outputs")
		c.push("prepare", map[string]string{"a": "echo again >$WORK_OUTPUT_FILE"})
		assert.EqualValues(s, 0, open(c.counts("prepare")), "a name that was there")
		s.unchanged("after it was made again")
		s.destroy()
		s.gone(s.queue())
		assert.Empty(s, s.data(s.T), "and with the instance where that is asked for")
	})
}

// applies a change, and tells how long that took.
func (s *stage) applies(what string) *result {
	s.Helper()
	r := s.apply()
	s.Logf("%s: applied in %s", what, r.Took.Round(100*time.Millisecond))
	return r
}

// started is how often containers of groups were restarted.
func (s *stage) started(groups ...string) string {
	s.Helper()
	var all []string
	for _, g := range groups {
		for _, r := range s.workers(g) {
			all = append(all, fmt.Sprint(r.ID, r.Restarts))
		}
	}
	return strings.Join(all, " ")
}

// noTokens requires that no token is in the state or in a plan.
func (s *stage) noTokens() {
	s.Helper()
	s.raw("plan", "-input=false", "-out=saved.tfplan")
	plan := s.raw("show", "-json", "saved.tfplan")
	require.NoError(s, os.Remove(filepath.Join(s.dir, "saved.tfplan")))
	state, err := os.ReadFile(filepath.Join(s.dir, "terraform.tfstate"))
	require.NoError(s, err)
	for _, name := range []string{"client-token", "worker-token"} {
		token := s.secret(s.T, s.queue(), name)
		assert.NotContains(s, string(state), token, name)
		assert.NotContains(s, string(plan), token, name)
	}
}
