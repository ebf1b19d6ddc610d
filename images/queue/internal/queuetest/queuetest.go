// Package queuetest runs the queue server as a process of its own, for tests of what talks to it.
package queuetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// Tokens of the server.
const (
	ClientToken = "client-token-of-a-test"
	WorkerToken = "worker-token-of-a-test"
)

// patience is how long the server may take to start and to end.
const patience = 30 * time.Second

// A Queue is a server. Its files stay when it is stopped.
type Queue struct {
	// URL of the API and the page. It stays the same when the server is started again.
	URL string

	t       testing.TB
	binary  string
	folder  string
	process *exec.Cmd
}

// Start a server of stages, as YAML has them. It ends with the test.
func Start(t testing.TB, stages string) *Queue {
	q := &Queue{t: t, folder: t.TempDir()}
	q.binary = filepath.Join(q.folder, "queue")
	built, err := exec.Command("go", "build", "-o", q.binary, "github.com/container-patterns/terraform-provider-pattern/images/queue").CombinedOutput()
	require.NoError(t, err, string(built))
	address, management := free(t), free(t)
	q.URL = "http://" + address
	write := func(name, content string) string {
		path := filepath.Join(q.folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	write("config.yaml", fmt.Sprintf("identity: {instance: orders}\nlisten: %s\nmanagement: {address: %q}\ntokens: {client_file: %s, worker_file: %s}\nstore: {embedded: {directory: %s}}\nstages: %s\n",
		address, management, write("client", ClientToken), write("worker", WorkerToken), filepath.Join(q.folder, "data"), stages))
	q.Start()
	t.Cleanup(func() {
		q.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(q.folder, "log")) // for the reader of the failure
			t.Logf("the server's log:\n%s", log)
		}
	})
	return q
}

// free address of this machine.
func free(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// TokenFile of clients.
func (q *Queue) TokenFile() string { return filepath.Join(q.folder, "client") }

// Start it again after Stop.
func (q *Queue) Start() {
	log, err := os.OpenFile(filepath.Join(q.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(q.t, err)
	defer log.Close()
	q.process = exec.Command(q.binary, "-config", filepath.Join(q.folder, "config.yaml"))
	q.process.Stdout, q.process.Stderr = log, log
	require.NoError(q.t, q.process.Start())
	require.Eventually(q.t, func() bool {
		a, err := http.Get(q.URL + "/")
		if err == nil {
			a.Body.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond, "the server answers")
}

// Stop it as an engine would.
func (q *Queue) Stop() {
	if q.process == nil {
		return
	}
	_ = q.process.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func(p *exec.Cmd) {
		defer close(ended)
		_ = p.Wait() // how it ends is what its log tells
	}(q.process)
	select {
	case <-ended:
	case <-time.After(patience):
		_ = q.process.Process.Kill()
		q.t.Error("the server does not end")
		<-ended
	}
	q.process = nil
}

// Call the API. Into is nil, or what the answer is decoded into.
func (q *Queue) Call(method, path, token string, body, into any) {
	q.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(q.t, err)
	r, err := http.NewRequest(method, q.URL+path, bytes.NewReader(raw))
	require.NoError(q.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := http.DefaultClient.Do(r)
	require.NoError(q.t, err)
	defer a.Body.Close()
	said, err := io.ReadAll(a.Body)
	require.NoError(q.t, err)
	require.Equal(q.t, http.StatusOK, a.StatusCode, string(said))
	if into != nil {
		require.NoError(q.t, json.Unmarshal(said, into))
	}
}

// Push items by their names.
func (q *Queue) Push(names ...string) {
	q.t.Helper()
	var r api.EnqueueRequest
	for _, n := range names {
		r.Items = append(r.Items, api.NewItem{Name: n, Text: "content of " + n})
	}
	q.Call("POST", "/v1/items", ClientToken, r, nil)
}

// Receive up to so many items that wait.
func (q *Queue) Receive(stage string, most int) []api.Lease {
	q.t.Helper()
	var a api.ReceiveAnswer
	q.Call("POST", "/v1/stages/"+stage+"/receive", WorkerToken, api.ReceiveRequest{Worker: "test-0", Max: most, Wait: "5s"}, &a)
	return a.Leases
}

// Ack an item with its outputs.
func (q *Queue) Ack(lease string, outputs ...api.Output) {
	q.t.Helper()
	var a api.ResultsAnswer
	q.Call("POST", "/v1/leases/ack", WorkerToken, api.AckRequest{Items: []api.Ack{{Lease: lease, Outputs: outputs}}}, &a)
	require.Nil(q.t, a.Results[0])
}

// Bury an item as a dead letter.
func (q *Queue) Bury(lease, reason, tail string) {
	q.t.Helper()
	var a api.ResultsAnswer
	q.Call("POST", "/v1/leases/nack", WorkerToken, api.NackRequest{Items: []api.Nack{{Lease: lease, Permanent: true, Failure: api.Failure{Reason: reason, ErrorTail: tail}}}}, &a)
	require.Nil(q.t, a.Results[0])
}

// Item of a stage.
func (q *Queue) Item(stage, name string) (i api.ItemDetail) {
	q.t.Helper()
	q.Call("GET", "/v1/stages/"+stage+"/items/"+name, ClientToken, nil, &i)
	return i
}
