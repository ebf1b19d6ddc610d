package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
)

func newServer(t *testing.T) *worker {
	t.Helper()
	port := freePort(t)
	w := newWorker(t, fmt.Sprintf("serve=%d", port))
	w.config.Mode, w.config.HTTP = config.ModeHTTP, &config.HTTP{Port: port, Path: "/work", ReadyPath: "/ready"}
	return w
}

func TestAServerForAllItems(t *testing.T) {
	large := "x " + strings.Repeat("y", 5<<20)
	cases := []struct {
		name, content string
		state         api.State
		attempts      int
		reason, delay string
		tail          string
		output        string
		size          int
	}{
		{name: "the answer is the output", content: "echo hello", state: api.Done, attempts: 1, output: "dir/item 1 hello 10"},
		{name: "an item may be empty", state: api.Done, attempts: 1, output: "dir/item 1  0"},
		{name: "an item may be large", content: large, state: api.Done, attempts: 1, size: len(large) - 2 + len(fmt.Sprintf("dir/item 1  %d", len(large)))},
		{name: "an answer may be large", content: "huge 40", state: api.Done, attempts: 1, size: 40 << 20},
		{name: "204 is no output", content: "204", state: api.Done, attempts: 1},
		{name: "503 is to retry when it says", content: "503 busy", state: api.Dead, attempts: 3, reason: "status 503 Service Unavailable", delay: "7s", tail: "busy"},
		{name: "429 is to retry when it says", content: "429 slow", state: api.Dead, attempts: 3, reason: "status 429 Too Many Requests", delay: "7s", tail: "slow"},
		{name: "422 is final", content: "422 no picture", state: api.Dead, attempts: 1, reason: "status 422 Unprocessable Entity", tail: "no picture"},
		{name: "a redirect is final", content: "302 there", state: api.Dead, attempts: 1, reason: "status 302 Found", tail: "there"},
		{name: "an answer that breaks off is to retry", content: "cut x", state: api.Done, attempts: 2, output: "dir/item 2 x 5"},
		{name: "a server that crashes is started again, and the item is to retry", content: "crash x", state: api.Done, attempts: 2, output: "dir/item 2 x 7"},
		{name: "a timeout is to retry", content: "hang", state: api.Dead, attempts: 3, reason: "timeout after 1s"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newServer(t)
			w.config.Timeout = config.Duration(time.Minute)
			if c.content == "hang" {
				w.config.Timeout = config.Duration(time.Second)
			}
			w.queue.push("dir/item", c.content)
			w.start(t)
			w.eventually(func() bool { return w.queue.count(api.Done, api.Dead) == 1 })
			i := w.queue.get("dir/item")
			assert.Equal(t, c.state, i.state)
			assert.Equal(t, c.attempts, i.attempts)
			assert.Equal(t, c.tail, i.failure.ErrorTail)
			if c.state == api.Dead {
				assert.Equal(t, c.reason, i.failure.Reason)
				if c.attempts > 1 {
					assert.Equal(t, c.delay, i.nacks[0].Delay)
				}
			}
			output, has := i.outputs["dir/item"]
			assert.Equal(t, c.output != "" || c.size > 0, has)
			if c.size > 0 {
				assert.Len(t, output, c.size)
			} else {
				assert.Equal(t, c.output, string(output))
			}
			assert.Zero(t, w.Terminate())
			assert.Empty(t, left(w.config.Command[1]), "the server is ended")
		})
	}
}

func TestNothingIsReceivedBeforeTheServerIsReady(t *testing.T) {
	w := newServer(t)
	w.config.Command = append([]string{w.config.Command[0], "sleep=3s"}, w.config.Command[1:]...)
	w.queue.push("item", "echo x")
	w.start(t)
	w.eventually(func() bool {
		status, body := w.get("/health/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the server at 127.0.0.1")
	})
	assert.Equal(t, 1, w.queue.count(api.Waiting))
	w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
	w.eventually(func() bool { status, _ := w.get("/health/ready"); return status == http.StatusOK })
}

func TestAServerThatEndsAtOnceIsStartedLessAndLess(t *testing.T) {
	w := newServer(t)
	w.config.Command = []string{w.config.Command[0], "say=no", "exit=4"}
	w.start(t)
	w.eventually(func() bool { return strings.Contains(w.Said(), `"status":"exit code 4","again_in":"400ms"`) })
	assert.Empty(t, w.queue.requests)
	assert.Zero(t, w.Terminate())
}
