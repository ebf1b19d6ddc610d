package main_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
)

const (
	within = 20 * time.Second
	tick   = 5 * time.Millisecond
)

// built are the worker, the developer's program, and the queue.
var built = imagetest.Compile(".", "./testdata/program", "../queue")

func TestMain(m *testing.M) { built.Main(m) }

// worker is one that runs.
type worker struct {
	*imagetest.Process // of the last start

	t      *testing.T
	queue  *queue
	config config.Config
	dir    string
	log    string   // PROGRAM_LOG of its commands
	wrap   []string // what it is started by
}

// newWorker makes one that is not started. The command's arguments are the program's.
func newWorker(t testing.TB, arguments ...string) *worker {
	t.Helper()
	w := &worker{dir: t.TempDir(), queue: newQueue(3 * time.Second)}
	if real, ok := t.(*testing.T); ok {
		w.t = real
	}
	t.Cleanup(func() { w.queue.CloseClientConnections(); w.queue.Close() })
	w.log = filepath.Join(w.dir, "log")
	w.config = config.Config{
		Stage: "stage", Command: append([]string{filepath.Join(built.Folder(t), "program")}, arguments...),
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
	data, err := json.Marshal(w.config)
	require.NoError(t, err)
	path := filepath.Join(w.dir, "config.json")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	args := append(w.wrap, filepath.Join(built.Folder(t), "worker"), "-config", path) //nolint:gocritic // wrap is ours
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "PATTERN_INDEX=2", "PATTERN_SECRET=hidden", "PROGRAM_LOG="+w.log, "OWN=kept")
	cmd.WaitDelay = time.Second
	w.Process = imagetest.Start(t, cmd)
	return w
}

func (w *worker) eventually(holds func() bool, what ...any) {
	w.t.Helper()
	require.Eventually(w.t, holds, within, tick, what...)
}

var management = regexp.MustCompile(`"management":"[^"]*:([0-9]+)"`)

func (w *worker) get(path string) (status int, body string) {
	w.t.Helper()
	var port []string
	w.eventually(func() bool { port = management.FindStringSubmatch(w.Said()); return port != nil })
	return imagetest.Get("http://127.0.0.1:" + port[1] + path)
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
