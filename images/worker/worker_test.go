package main_test

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
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
)

const (
	within = 20 * time.Second
	tick   = 5 * time.Millisecond
)

// built compiles the worker and the developer's program, once, as images have them.
var built = sync.OnceValues(func() (string, error) {
	directory, err := os.MkdirTemp("", "worker")
	if err != nil {
		return "", err
	}
	for name, path := range map[string]string{"worker": ".", "program": "./testdata/program"} {
		build := exec.Command("go", "build", "-o", filepath.Join(directory, name), path)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
	}
	return directory, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if directory, err := built(); err == nil {
		_ = os.RemoveAll(directory)
	}
	os.Exit(code)
}

// worker is one that runs.
type worker struct {
	t      *testing.T
	queue  *queue
	config config.Config
	dir    string
	log    string // PROGRAM_LOG of its commands
	output *output
	cmd    *exec.Cmd
	ended  chan struct{}
	wrap   []string // what it is started by
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p) //nolint:wrapcheck // a buffer
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// newWorker makes one that is not started. The command's arguments are the program's.
func newWorker(t testing.TB, arguments ...string) *worker {
	t.Helper()
	directory, err := built()
	require.NoError(t, err)
	w := &worker{dir: t.TempDir(), queue: newQueue(3 * time.Second), output: &output{}}
	if real, ok := t.(*testing.T); ok {
		w.t = real
	}
	t.Cleanup(func() { w.queue.CloseClientConnections(); w.queue.Close() })
	w.log = filepath.Join(w.dir, "log")
	w.config = config.Config{
		Stage: "stage", Command: append([]string{filepath.Join(directory, "program")}, arguments...),
		Queue:     config.Queue{EndpointsFile: filepath.Join(w.dir, "endpoints"), TokenFile: filepath.Join(w.dir, "token")},
		WorkDir:   filepath.Join(w.dir, "work"),
		KillAfter: config.Duration(300 * time.Millisecond),
	}
	w.config.Management.Address = "127.0.0.1:0"
	w.config.Lifecycle.Grace = settings.Duration(8 * time.Second)
	require.NoError(t, os.WriteFile(w.config.Queue.EndpointsFile, []byte(w.queue.Listener.Addr().String()+"\n"), 0o600))
	require.NoError(t, os.WriteFile(w.config.Queue.TokenFile, []byte("secret\n"), 0o600))
	return w
}

func (w *worker) start(t testing.TB) *worker {
	t.Helper()
	directory, err := built()
	require.NoError(t, err)
	data, err := json.Marshal(w.config)
	require.NoError(t, err)
	path := filepath.Join(w.dir, "config.json")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	args := append(w.wrap, filepath.Join(directory, "worker"), "-config", path) //nolint:gocritic // wrap is ours
	w.cmd = exec.Command(args[0], args[1:]...)
	w.cmd.Env = append(os.Environ(), "PATTERN_INDEX=2", "PATTERN_SECRET=hidden", "PROGRAM_LOG="+w.log, "OWN=kept")
	w.output = &output{}
	w.cmd.Stdout, w.cmd.Stderr = w.output, w.output
	w.cmd.WaitDelay = time.Second
	require.NoError(t, w.cmd.Start())
	ended := make(chan struct{})
	w.ended = ended
	cmd := w.cmd
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			out := w.output.String()
			t.Log(out[max(0, len(out)-8000):])
		}
	})
	return w
}

func (w *worker) eventually(holds func() bool, what ...any) {
	w.t.Helper()
	require.Eventually(w.t, holds, within, tick, what...)
}

func (w *worker) terminate() int {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(syscall.SIGTERM))
	return w.exit()
}

func (w *worker) exit() int {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(within):
		require.Fail(w.t, "the worker has not ended")
	}
	return w.cmd.ProcessState.ExitCode()
}

var management = regexp.MustCompile(`"management":"[^"]*:([0-9]+)"`)

func (w *worker) get(path string) (status int, body string) {
	w.t.Helper()
	var port []string
	w.eventually(func() bool { port = management.FindStringSubmatch(w.output.String()); return port != nil })
	response, err := http.Get("http://127.0.0.1:" + port[1] + path)
	require.NoError(w.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return response.StatusCode, string(content)
}

// left are processes that have a text in their environment or arguments, by PID.
func left(text string) (pids []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		environment, _ := os.ReadFile(path + "/environ")
		arguments, _ := os.ReadFile(path + "/cmdline")
		if strings.Contains(string(environment), text) || strings.Contains(string(arguments), text) {
			pids = append(pids, filepath.Base(path)+" "+strings.ReplaceAll(string(arguments), "\x00", " "))
		}
	}
	return pids
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	require.True(t, ok)
	return address.Port
}
