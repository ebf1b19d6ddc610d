package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	queueconfig "github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
)

// server is the queue itself, as a process.
type server struct {
	t       testing.TB
	address string
}

func startQueue(t testing.TB, port int) *server {
	t.Helper()
	directory := t.TempDir()
	s := &server{t: t, address: fmt.Sprintf("127.0.0.1:%d", port)}
	for name, content := range map[string]string{"client": "open\n", "worker": "secret\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600))
	}
	c := queueconfig.Config{
		Listen: s.address,
		Tokens: queueconfig.Tokens{ClientFile: filepath.Join(directory, "client"), WorkerFile: filepath.Join(directory, "worker")},
		Store:  queueconfig.Store{Embedded: &queueconfig.Embedded{Directory: filepath.Join(directory, "data")}},
		Stages: map[string]queueconfig.Stage{"stage": {
			From: []string{queueconfig.Source}, Visibility: queueconfig.Duration(2 * time.Second), MaxAttempts: 10,
			Backoff: queueconfig.Backoff{Min: queueconfig.Duration(10 * time.Millisecond), Max: queueconfig.Duration(50 * time.Millisecond)},
		}},
	}
	c.Management.Address = "127.0.0.1:0"
	data, err := json.Marshal(c)
	require.NoError(t, err)
	path := filepath.Join(directory, "config.json")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	imagetest.Start(t, exec.Command(filepath.Join(built.Folder(t), "queue"), "-config", path))
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + s.address + "/")
		if err != nil {
			return false
		}
		return response.Body.Close() == nil
	}, within, tick, "the queue is up")
	return s
}

func (s *server) call(method, path string, request, answer any) {
	s.t.Helper()
	body, err := json.Marshal(request)
	require.NoError(s.t, err)
	r, err := http.NewRequest(method, "http://"+s.address+path, bytes.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer open")
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, 200, response.StatusCode, string(content))
	if raw, ok := answer.(*[]byte); ok {
		*raw = content
		return
	}
	require.NoError(s.t, json.Unmarshal(content, answer), string(content))
}

func (s *server) push(n int, content func(n int) string) {
	s.t.Helper()
	var request api.EnqueueRequest
	for i := range n {
		request.Items = append(request.Items, api.NewItem{Name: fmt.Sprintf("item-%06d", i), Text: content(i)})
		if len(request.Items) == 500 || i == n-1 {
			s.call(http.MethodPost, "/v1/items", request, &api.EnqueueAnswer{})
			request.Items = nil
		}
	}
}

func (s *server) counts() map[api.State]int64 {
	s.t.Helper()
	var status api.Status
	s.call(http.MethodGet, "/v1/status", nil, &status)
	require.Len(s.t, status.Stages, 1)
	return status.Stages[0].Counts
}

func (w *worker) use(t testing.TB, s *server) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.config.Queue.EndpointsFile, []byte(s.address), 0o600))
}

func TestAgainstTheQueueItself(t *testing.T) {
	s := startQueue(t, freePort(t))
	const items = 200
	s.push(items, func(n int) string {
		switch {
		case n == 7:
			return "say=broken exit=9"
		case n%10 == 0:
			return "copy many=3 " + strings.Repeat("sleep=1ns ", 5000) // by payloads, both ways
		default:
			return "sleep=10ms copy"
		}
	})
	w := newWorker(t, "by-content")
	w.use(t, s)
	w.config.Concurrency = 4
	for round := int64(1); round <= 3; round++ { // killed in the midst of it
		w.start(t)
		w.eventually(func() bool { return s.counts()[api.Done] >= round*items/6 })
		w.Signal(syscall.SIGKILL)
		w.Exit()
	}
	w.start(t)
	w.eventually(func() bool { c := s.counts(); return c[api.Done] == items-1 && c[api.Dead] == 1 })
	var outputs api.OutputsAnswer
	s.call(http.MethodGet, "/v1/outputs?limit=1000", nil, &outputs)
	assert.Len(t, outputs.Outputs, items-1+3*items/10, "each once")
	var content []byte
	s.call(http.MethodGet, "/v1/outputs/item-000010", nil, &content)
	assert.Equal(t, "COPY MANY=3 "+strings.Repeat("SLEEP=1NS ", 5000), string(content))
	s.call(http.MethodGet, "/v1/outputs/item-000010/part/0002.txt", nil, &content)
	assert.Equal(t, "2", string(content))
	var dead api.ItemDetail
	s.call(http.MethodGet, "/v1/stages/stage/items/item-000007", nil, &dead)
	require.NotNil(t, dead.Failure)
	assert.Equal(t, "exit code 9", dead.Failure.Reason)
	assert.Equal(t, "broken\n", dead.Failure.ErrorTail)
	assert.Zero(t, w.Terminate())
}

func TestWhatRunsLongKeepsItsLease(t *testing.T) {
	s := startQueue(t, freePort(t))
	s.push(1, func(int) string { return "sleep=5s copy" }) // two visibilities and a half
	w := newWorker(t, "by-content")
	w.config.Timeout = config.Duration(time.Minute)
	w.use(t, s)
	w.start(t)
	w.eventually(func() bool { return s.counts()[api.Done] == 1 })
	var detail api.ItemDetail
	s.call(http.MethodGet, "/v1/stages/stage/items/item-000000", nil, &detail)
	assert.Equal(t, 1, detail.Attempt)
	assert.Zero(t, w.Terminate())
}
