package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
)

func TestACommandPerItem(t *testing.T) {
	cases := []struct {
		name, does string
		timeout    time.Duration
		state      api.State
		attempts   int
		reason     string
		tail       string
		outputs    int
	}{
		{name: "the output file is the output of the item's name", does: "copy", state: api.Done, attempts: 1, outputs: 1},
		{name: "nothing left is no output", does: "exit=0", state: api.Done, attempts: 1},
		{name: "each file of the folder is an output", does: "copy many=300", state: api.Done, attempts: 1, outputs: 301},
		{name: "a large output is uploaded", does: "huge=40", state: api.Done, attempts: 1, outputs: 1},
		{name: "a failure is final, with the end of what it said", does: "say=broken exit=1", state: api.Dead, attempts: 1, reason: "exit code 1", tail: "broken\n"},
		{name: "75 is to retry", does: "say=later exit=75", state: api.Dead, attempts: 3, reason: "exit code 75", tail: "later\n"},
		{name: "megabytes of standard error are read to their end", does: "stderr=8 exit=1", state: api.Dead, attempts: 1, reason: "exit code 1", tail: "the last line\n"},
		{name: "a signal that nobody here sent is to retry", does: "die=9", state: api.Dead, attempts: 3, reason: "killed by signal 9 (killed): out of memory, most likely"},
		{name: "a timeout is to retry", does: "sleep=1h", timeout: 150 * time.Millisecond, state: api.Dead, attempts: 3, reason: "timeout after 150ms"},
		{name: "who does not hear SIGTERM is killed", does: "deaf sleep=1h", timeout: 150 * time.Millisecond, state: api.Dead, attempts: 3, reason: "timeout after 150ms"},
		{name: "grandchildren do not hold an item up", does: "children=5 exit=1", state: api.Dead, attempts: 1, reason: "exit code 1"},
		{name: "a link is no output", does: "link", state: api.Dead, attempts: 1, reason: `output "dir/item.txt/link" is a symbolic link: outputs are regular files`},
		{name: "zombies of others are reaped", does: "zombies=50", state: api.Done, attempts: 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorker(t, "by-content")
			if c.timeout > 0 {
				w.config.Timeout = config.Duration(c.timeout)
			}
			w.queue.push("dir/item.txt", c.does)
			w.start(t)
			w.eventually(func() bool { return w.queue.count(api.Done, api.Dead) == 1 })
			i := w.queue.get("dir/item.txt")
			assert.Equal(t, c.state, i.state)
			assert.Equal(t, c.attempts, i.attempts)
			assert.Equal(t, c.reason, i.failure.Reason)
			if c.tail != "" {
				assert.True(t, strings.HasSuffix(i.failure.ErrorTail, c.tail), i.failure.ErrorTail)
				assert.LessOrEqual(t, len(i.failure.ErrorTail), api.ErrorTailBytes)
			}
			assert.Len(t, i.outputs, c.outputs)
			assert.Empty(t, left(w.dir+"/work"), "no process of an item is left")
			w.eventually(func() bool { return empty(w.config.WorkDir) }, "no file is left")
			assert.Zero(t, w.Terminate())
			assert.NotContains(t, w.Said(), `"level":"ERROR"`)
		})
	}
}

func TestOutputsAreWhatWasWritten(t *testing.T) {
	w := newWorker(t, "by-content")
	w.queue.push("a/b.png", "copy many=2 "+strings.Repeat("sleep=1ns ", 10000)) // too large to be inline
	w.start(t)
	w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
	i := w.queue.get("a/b.png")
	assert.Equal(t, "COPY MANY=2 "+strings.Repeat("SLEEP=1NS ", 10000), string(i.outputs["a/b.png"]))
	assert.Equal(t, "0", string(i.outputs["a/b.png/part/0000.txt"]))
	assert.Equal(t, "1", string(i.outputs["a/b.png/part/0001.txt"]))
}

func TestWhatACommandIsTold(t *testing.T) {
	w := newWorker(t, "environment", "exit=0", "$(WORK_ITEM_NAME)", "$$(WORK_STAGE)", "$(OTHER)")
	w.queue.push("dir/in.txt", "")
	w.start(t)
	w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
	i := w.queue.get("dir/in.txt")
	lines := strings.Split(string(i.outputs["dir/in.txt"]), "\n")
	for _, want := range []string{"OWN=kept", "WORK_ITEM_NAME=dir/in.txt", "WORK_ATTEMPT=1", "WORK_STAGE=stage", "dir/in.txt", "$(WORK_STAGE)", "$(OTHER)"} {
		assert.Contains(t, lines, want)
	}
	for _, line := range lines {
		assert.False(t, strings.HasPrefix(line, "PATTERN_"), line)
	}
	assert.True(t, slices.ContainsFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "WORK_ITEM_FILE=") && strings.HasSuffix(line, "/in/in.txt")
	}))
}

func TestNothingOfAnItemSurvivesIt(t *testing.T) {
	cases := []struct {
		name, does  string
		concurrency int
	}{
		{name: "in sessions of their own", does: "escape=3", concurrency: 2},
		{name: "in sessions of their own, without an environment", does: "escape-bare=3", concurrency: 1},
		{name: "after a timeout", does: "deaf escape=3 sleep=1h", concurrency: 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorker(t, "by-content")
			w.config.Concurrency = c.concurrency
			w.config.Timeout = config.Duration(2 * time.Second)
			w.queue.push("item", c.does)
			w.start(t)
			w.eventually(func() bool { return w.queue.count(api.Done, api.Dead) == 1 || w.queue.get("item").attempts > 1 })
			if c.concurrency == 1 && strings.HasPrefix(c.does, "escape") {
				assert.Equal(t, api.Done, w.queue.get("item").state)
			}
			content, err := os.ReadFile(w.log)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, strings.Count(string(content), "\n"), 9, "they have been there")
			assert.Zero(t, w.Terminate())
			assert.Empty(t, left(w.log))
		})
	}
}

// A process that is just becoming another program has no environment for a moment, and may look dead.
func TestWhoBecomesAnotherProgramIsFound(t *testing.T) {
	w := newWorker(t, "by-content")
	w.config.Concurrency = 2
	const items = 200
	for n := range items {
		w.queue.push(fmt.Sprint("item-", n), "elude")
	}
	w.start(t)
	w.eventually(func() bool { return w.queue.count(api.Done) == items })
	pid := strconv.Itoa(w.PID())
	w.eventually(func() bool {
		children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		return err == nil && len(children) == 0
	}, "nobody is left")
}

func TestALeaseThatIsLostEndsTheCommand(t *testing.T) {
	w := newWorker(t, "append="+t.TempDir()+"/effects", "deaf", "sleep=1h")
	w.queue.visibility = 300 * time.Millisecond
	w.config.KillAfter = config.Duration(time.Hour)
	w.queue.push("item", "")
	w.start(t)
	w.eventually(func() bool { return len(left(w.config.WorkDir)) == 1 })
	w.queue.set(func() { i := w.queue.items["item"]; i.state, i.Lease.Lease = api.Dead, "another" })
	w.eventually(func() bool { return len(left(w.config.WorkDir)) == 0 })
	w.eventually(func() bool { _, body := w.get("/metrics"); return strings.Contains(body, "worker_lease_lost_total 1") })
	assert.Empty(t, w.queue.get("item").nacks)
}

func TestTermination(t *testing.T) {
	t.Run("what runs is finished", func(t *testing.T) {
		w := newWorker(t, "say=begun", "sleep=700ms", "copy")
		w.queue.push("item", "x")
		w.queue.push("other", "x")
		w.start(t)
		w.eventually(func() bool { return strings.Contains(w.Said(), "begun") })
		assert.Zero(t, w.Terminate())
		assert.Equal(t, api.Done, w.queue.get("item").state)
		other := w.queue.get("other")
		assert.Equal(t, api.Waiting, other.state)
		assert.Zero(t, other.attempts, "nothing was tried")
	})
	t.Run("what does not finish within the grace is given back at once", func(t *testing.T) {
		w := newWorker(t, "say=begun", "deaf", "sleep=1h")
		w.config.Lifecycle.Grace = config.Duration(3 * time.Second)
		w.queue.push("item", "x")
		w.start(t)
		w.eventually(func() bool { return strings.Contains(w.Said(), "begun") })
		began := time.Now()
		assert.Zero(t, w.Terminate())
		assert.Less(t, time.Since(began), 4*time.Second)
		item := w.queue.get("item")
		assert.Equal(t, api.Waiting, item.state)
		assert.Zero(t, item.attempts, "the attempt does not count")
		assert.Empty(t, left(w.config.WorkDir))
	})
	t.Run("signals are passed on", func(t *testing.T) {
		w := newWorker(t, "until-signal=10", "copy")
		w.queue.push("item", "x")
		w.start(t)
		w.eventually(func() bool { return strings.Contains(w.Said(), "waiting for a signal") })
		w.Signal(syscall.SIGUSR1)
		w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
	})
}

func TestAWorkerThatIsKilledHasNoSecondEffect(t *testing.T) {
	w := newWorker(t, "sleep=20ms", "copy")
	w.queue.visibility = 500 * time.Millisecond
	w.config.Concurrency = 4
	const items = 100
	for n := range items {
		w.queue.push(fmt.Sprintf("item-%03d", n), fmt.Sprint("x", n))
	}
	for round := 1; round <= 3; round++ {
		w.start(t)
		w.eventually(func() bool { return w.queue.count(api.Done) >= round*items/5 })
		w.Signal(syscall.SIGKILL)
		w.Exit()
	}
	w.start(t)
	w.eventually(func() bool { return w.queue.count(api.Done) == items })
	for n := range items {
		name := fmt.Sprintf("item-%03d", n)
		assert.Equal(t, map[string][]byte{name: []byte(fmt.Sprint("X", n))}, w.queue.get(name).outputs)
	}
	assert.Zero(t, w.queue.doubles)
	assert.Zero(t, w.Terminate())
	assert.True(t, empty(w.config.WorkDir), "no file is left, also not what killed ones had left")
}

func TestTheQueueGoesAway(t *testing.T) {
	t.Run("what ended meanwhile is told when it is back", func(t *testing.T) {
		w := newWorker(t, "say=begun", "sleep=300ms", "copy")
		w.queue.push("item", "x")
		w.start(t)
		w.eventually(func() bool { return strings.Contains(w.Said(), "begun") })
		w.queue.set(func() { w.queue.away = true })
		w.queue.CloseClientConnections()
		w.eventually(func() bool { return strings.Contains(w.Said(), "the queue cannot be told") })
		w.eventually(func() bool { _, body := w.get("/metrics"); return strings.Contains(body, "worker_queue_up 0") })
		w.queue.set(func() { w.queue.away = false })
		w.eventually(func() bool { return w.queue.get("item").state == api.Done })
		assert.Equal(t, 1, w.queue.get("item").attempts)
	})
	t.Run("an ack whose answer was lost is settled", func(t *testing.T) {
		w := newWorker(t, "say=begun", "sleep=300ms", "copy")
		w.queue.push("item", "x")
		w.start(t)
		w.eventually(func() bool { return strings.Contains(w.Said(), "begun") })
		w.queue.set(func() { w.queue.hole = true })
		w.eventually(func() bool { return w.queue.get("item").state == api.Done })
		w.queue.set(func() { w.queue.hole = false })
		w.eventually(func() bool { return strings.Contains(w.Said(), "told before") })
		assert.Zero(t, w.Terminate())
	})
	t.Run("another server takes over", func(t *testing.T) {
		w := newWorker(t, "copy")
		path := w.config.Queue.EndpointsFile
		require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf("127.0.0.1:%d\n%s\n", freePort(t), w.queue.Listener.Addr())), 0o600))
		w.queue.push("item", "x")
		w.start(t)
		w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
	})
	t.Run("a token that was exchanged is read again", func(t *testing.T) {
		w := newWorker(t, "copy")
		require.NoError(t, os.WriteFile(w.config.Queue.TokenFile, []byte("old"), 0o600))
		w.queue.push("item", "x")
		w.start(t)
		w.eventually(func() bool { return strings.Contains(w.Said(), "wrong token") })
		status, _ := w.get("/health/ready")
		assert.Equal(t, 503, status)
		require.NoError(t, os.WriteFile(w.config.Queue.TokenFile, []byte("secret"), 0o600))
		w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
		w.eventually(func() bool { status, _ := w.get("/health/ready"); return status == 200 })
	})
}

func TestAWorkerWithoutWorkIsReadyAtOnce(t *testing.T) {
	w := newWorker(t, "copy")
	w.start(t)
	soon := func() bool { status, _ := w.get("/health/ready"); return status == 200 }
	require.Eventually(t, soon, 3*time.Second, tick, "before a long poll has ended")
	w.queue.push("item", "x")
	w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
}

func TestDrain(t *testing.T) {
	w := newWorker(t, "copy")
	w.queue.drain = true
	w.queue.push("item", "x")
	w.start(t)
	w.eventually(func() bool { return strings.Contains(w.Said(), "no items until it says otherwise") })
	w.eventually(func() bool { status, _ := w.get("/health/ready"); return status == 200 }, "it stays ready")
	assert.Equal(t, 1, w.queue.count(api.Waiting))
	w.queue.set(func() { w.queue.drain = false })
	w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
}

func TestACommandThatCannotBeStartedIsToldAtTheStart(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/nowhere/sh\n"), 0o700))
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("x"), 0o600))
	cases := []struct{ name, command, says string }{
		{name: "nowhere in PATH", command: "no-such-program", says: "no-such-program: there is no such program in the image's PATH"},
		{name: "not there", command: "/no/such", says: "/no/such: no such file or directory in this image"},
		{name: "a folder", command: "/proc", says: "/proc: is a folder"},
		{name: "no interpreter", command: script, says: "its interpreter /nowhere/sh is not in this image"},
		{name: "not executable", command: plain, says: "may not be executed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorker(t)
			w.config.Command = []string{c.command}
			w.start(t)
			assert.Equal(t, 1, w.Exit())
			assert.Contains(t, w.Said(), c.says)
			assert.Empty(t, w.queue.requests, "nothing was received")
		})
	}
}

// empty tells whether there is nothing but folders below one.
func empty(root string) bool {
	return filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = fmt.Errorf("%s is left", path)
		}
		return err
	}) == nil
}
