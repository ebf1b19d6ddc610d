package imagetest

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// within is how long a process may take to end.
const within = 20 * time.Second

// tail is what is shown of the output when a test fails.
const tail = 8000

// A Process of a program. It is killed when the test ends.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	said  output
	ended chan struct{}
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Start a command.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	require.NoError(t, cmd.Start())
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ends is what Exit tells
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			said := p.Said()
			t.Log(said[max(0, len(said)-tail):])
		}
	})
	return p
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Said is its output until now, errors and all.
func (p *Process) Said() string { return p.said.String() }

// Ended is closed when the process is no more.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Signal the process.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// Terminate it as an engine does, and wait for its exit code.
func (p *Process) Terminate() int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Exit()
}

// Exit waits for the exit code.
func (p *Process) Exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		require.Fail(p.t, "the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}
