package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func TestInstall(t *testing.T) {
	directory := built.Folder(t)
	folder := filepath.Join(t.TempDir(), "pattern", "bin")
	for range 2 { // again, and the result is the same
		out, err := exec.Command(filepath.Join(directory, "worker"), "install", folder).CombinedOutput()
		require.NoError(t, err, string(out))
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing else is left")
		info, err := entries[0].Info()
		require.NoError(t, err)
		assert.Equal(t, "worker", info.Name())
		assert.Equal(t, os.FileMode(0o755), info.Mode())
		out, err = exec.Command(filepath.Join(folder, "worker"), "-version").CombinedOutput()
		require.NoError(t, err)
		assert.Contains(t, string(out), "worker ")
	}
	out, err := exec.Command(filepath.Join(directory, "worker"), "install", "/proc/no").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "install: mkdir /proc/no")
}

func TestAsPID1(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a PID namespace is made, which only root may do")
	}
	w := newWorker(t, "by-content")
	w.wrap = []string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}
	w.config.Concurrency = 2
	for n := range 20 {
		w.queue.push(fmt.Sprint("item-", n), []string{"copy", "zombies=5 copy", "escape=1 copy", "exit=3"}[n%4])
	}
	w.start(t)
	w.eventually(func() bool { return w.queue.count(api.Done, api.Dead) == 20 })
	assert.Equal(t, 15, w.queue.count(api.Done))
	for n := range 20 {
		if n%4 == 3 {
			assert.Equal(t, "exit code 3", w.queue.get(fmt.Sprint("item-", n)).failure.Reason, "no exit code is stolen")
		}
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", w.PID(), w.PID()))
	require.NoError(t, err)
	pid := strings.TrimSpace(string(children))
	w.eventually(func() bool {
		children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		return err == nil && len(children) == 0
	}, "no zombie is left")
	status, err := os.ReadFile("/proc/" + pid + "/status")
	require.NoError(t, err)
	assert.Contains(t, string(status), "NSpid:\t"+pid+"\t1\n")
	w.queue.push("last", "say=begun sleep=300ms copy")
	w.eventually(func() bool { return strings.Contains(w.Said(), "begun") })
	process, err := os.FindProcess(atoi(t, pid))
	require.NoError(t, err)
	require.NoError(t, process.Signal(syscall.SIGTERM))
	assert.Zero(t, w.Exit())
	assert.Equal(t, api.Done, w.queue.get("last").state)
}

func atoi(t *testing.T, text string) (n int) {
	t.Helper()
	_, err := fmt.Sscan(text, &n)
	require.NoError(t, err)
	return n
}

func TestAsAUserWithNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("another user is taken on, which only root may do")
	}
	w := newWorker(t, "copy")
	directory := built.Folder(t)
	for _, path := range []string{directory, w.dir, filepath.Dir(w.dir)} {
		require.NoError(t, os.Chmod(path, 0o755)) //nolint:gosec // for another user
	}
	require.NoError(t, os.Mkdir(w.config.WorkDir, 0o700))
	for _, path := range []string{w.config.WorkDir, w.config.Queue.EndpointsFile, w.config.Queue.TokenFile} {
		require.NoError(t, os.Chown(path, 4711, 4711))
	}
	w.wrap = []string{"setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "--bounding-set=-all", "--no-new-privs"}
	w.queue.push("item", "x")
	w.start(t)
	w.eventually(func() bool { return w.queue.count(api.Done) == 1 })
	assert.Equal(t, "X", string(w.queue.get("item").outputs["item"]))
	assert.Zero(t, w.Terminate())
}
