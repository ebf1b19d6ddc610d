package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/internal/queuetest"
)

// A run of the program and what it said.
type ran struct {
	code        int
	out, errors string
}

func runWith(t *testing.T, env map[string]string, in string, args ...string) ran {
	var out, errors bytes.Buffer
	p := &program{in: strings.NewReader(in), out: &out, errors: &errors, getenv: func(name string) string { return env[name] }}
	code := p.run(t.Context(), args)
	return ran{code, out.String(), errors.String()}
}

func envOf(q *queuetest.Queue) map[string]string {
	return map[string]string{"WORK_QUEUE_URL": q.URL, "WORK_QUEUE_TOKEN_FILE": q.TokenFile()}
}

func TestTheClientAgainstTheServer(t *testing.T) {
	q := queuetest.Start(t, "{work: {}, last: {from: [work]}}")
	env := envOf(q)
	do := func(args ...string) ran { return runWith(t, env, "", args...) }
	good := func(args ...string) string {
		t.Helper()
		r := do(args...)
		require.Zero(t, r.code, r.errors)
		return r.out
	}

	folder := t.TempDir()
	large := strings.Repeat("0123456789", 20000)
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "sub dir"), 0o755))
	for n := range 250 { // more than a batch
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("f%03d", n)), fmt.Append(nil, "content ", n), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sub dir", "large#1%.bin"), []byte(large), 0o600))
	single := filepath.Join(t.TempDir(), "single.txt")
	require.NoError(t, os.WriteFile(single, []byte("one"), 0o600))

	assert.Contains(t, good("push", "-prefix", "in/", folder), "251 pushed, 0 were there already")
	assert.Contains(t, good("push", "-prefix", "in/", folder), "0 pushed, 251 were there already", "names make it idempotent")
	assert.Contains(t, good("push", single, "-priority", "9"), "1 pushed")
	r := runWith(t, env, "from standard input", "push", "-", "-name", "stdin", "-delay", "1h")
	require.Zero(t, r.code, r.errors)
	assert.Equal(t, api.Delayed, q.Item("work", "stdin").State)
	assert.Equal(t, 9, q.Item("work", "single.txt").Priority)
	assert.EqualValues(t, len(large), q.Item("work", "in/sub%20dir/large%231%25.bin").Size)

	q.Stop()
	again := make(chan ran, 1)
	go func() { again <- do("status", "-json") }()
	q.Start()
	var s api.Status
	require.NoError(t, json.Unmarshal([]byte((<-again).out), &s), "a server that is away for a moment is waited for")
	assert.EqualValues(t, 252, s.Stages[0].Counts[api.Waiting], "what was answered is there after a restart")
	assert.Regexp(t, `work\s+252\s+1\s+0\s+0\s+0`, good("status"))

	// A worker: one is bad, the others are made into outputs.
	first := q.Receive("work", 1)[0]
	assert.Equal(t, "single.txt", first.Name)
	q.Bury(first.Lease, "exit code 3", "first\nno such file\n")
	for n := 0; n < 251; {
		for _, l := range q.Receive("work", 100) {
			q.Ack(l.Lease, api.Output{Name: l.Name, Data: l.Data})
			n++
		}
	}
	list := good("list", "-state", "dead", "work")
	assert.Regexp(t, `single\.txt\s+dead\s+1\s+3\s+.*exit code 3`, list)
	assert.Equal(t, 251+1, strings.Count(good("list", "-state", "done", "work"), "\n"), "all pages, and a head")
	show := good("show", "work", "single.txt")
	assert.Contains(t, show, "no such file")
	assert.Contains(t, good("show", "work", "in/f000"), "in/f000 of last (waiting)")

	for n := 0; n < 251; {
		for _, l := range q.Receive("last", 100) {
			q.Ack(l.Lease, api.Output{Name: "out/" + l.Name, Data: []byte("made from " + l.Name)})
			n++
		}
	}
	into := filepath.Join(t.TempDir(), "outputs")
	assert.Contains(t, good("fetch", "-all", "-to", into), "251 fetched")
	raw, err := os.ReadFile(filepath.Join(into, "out", "in", "sub dir", "large#1%.bin"))
	require.NoError(t, err)
	assert.Equal(t, "made from in/sub dir/large#1%.bin", string(raw))
	assert.Equal(t, "made from in/f000", good("fetch", "out/in/f000"))
	missing := do("fetch", "none")
	assert.Equal(t, 1, missing.code)
	assert.Contains(t, missing.errors, `no output "none"`)

	assert.Contains(t, good("purge", "work", "stdin"), "1 removed")
	tail := do("tail")
	assert.Equal(t, 1, tail.code, "there is a dead letter")
	assert.Contains(t, tail.errors, "single.txt: exit code 3: no such file")
	assert.Contains(t, good("redrive", "work", "single.txt"), "1 to be tried again")
	done := make(chan ran, 1)
	go func() { done <- do("tail") }()
	for _, stage := range []string{"work", "last"} {
		l := q.Receive(stage, 1)[0]
		q.Ack(l.Lease, api.Output{Name: l.Name})
	}
	select {
	case r := <-done:
		assert.Zero(t, r.code, r.errors)
		assert.Contains(t, r.errors, "100%")
	case <-time.After(30 * time.Second):
		t.Fatal("tail does not end when nothing is left to do")
	}
	none := do("redrive", "work", "none")
	assert.Equal(t, 1, none.code)
	assert.Contains(t, none.errors, "1 of the 1 names are not there")
	assert.Contains(t, good("purge", "-state", "done", "work"), "252 removed")
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	q := queuetest.Start(t, "{work: {}}")
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		says string
	}{
		{"no queue", nil, []string{"status"}, 1, "where is the queue?"},
		{"no URL", map[string]string{"WORK_QUEUE_URL": "queue:8080"}, []string{"status"}, 1, "http://HOST:PORT"},
		{"no token", map[string]string{"WORK_QUEUE_URL": q.URL}, []string{"status"}, 1, "client-token"},
		{"a token file that is not there", map[string]string{"WORK_QUEUE_URL": q.URL, "WORK_QUEUE_TOKEN_FILE": "/none"}, []string{"status"}, 1, "/none"},
		{"a wrong token", map[string]string{"WORK_QUEUE_URL": q.URL, "WORK_QUEUE_TOKEN": "wrong"}, []string{"status"}, 1, "the instance's secret client-token"},
		{"a worker's token", map[string]string{"WORK_QUEUE_URL": q.URL, "WORK_QUEUE_TOKEN": queuetest.WorkerToken}, []string{"status"}, 1, "clients and workers have tokens of their own"},
		{"no such command", envOf(q), []string{"pull"}, 2, `no command "pull"`},
		{"nothing to push", envOf(q), []string{"push"}, 2, "usage: workqueue push"},
		{"a file that is not there", envOf(q), []string{"push", "/none"}, 1, "/none"},
		{"standard input without a name", envOf(q), []string{"push", "-"}, 2, "-name"},
		{"a stage that is not there", envOf(q), []string{"list", "none"}, 1, "none"},
		{"a state that is none", envOf(q), []string{"list", "-state", "x", "work"}, 1, "state"},
		{"several outputs without a folder", envOf(q), []string{"fetch", "a", "b"}, 2, "-to FOLDER"},
		{"a redrive of names and all", envOf(q), []string{"redrive", "-all", "work", "a"}, 2, "-all or names"},
		{"a purge of nothing", envOf(q), []string{"purge", "work"}, 2, "-state or names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runWith(t, c.env, "", c.args...)
			assert.Equal(t, c.code, r.code, r.errors)
			assert.Contains(t, r.errors, c.says)
			assert.Empty(t, r.out)
		})
	}
}
