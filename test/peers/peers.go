// Package peers runs the servers that the data plane talks to, for tests: real ones, each compiled from its own Go module in a folder beside this file (so that its dependencies never become ours) or installed as a Debian package.
//
// A peer is compiled once per machine, into the project's cache (go run ./test/peers/build does it beforehand), and is started on a free port of the loopback with its data in the test's temporary directory. Each can be paused, killed and started again on the same port.
package peers

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a peer may take to answer, on a machine that is busy.
const startTimeout = 60 * time.Second

// A Process is a peer that runs, or has been killed and can be started again.
type Process struct {
	name    string
	command func() *exec.Cmd
	ready   func() bool
	log     string

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
}

// start runs a peer until the test ends.
func start(t testing.TB, name string, command func() *exec.Cmd, ready func() bool) *Process {
	t.Helper()
	p := &Process{name: name, command: command, ready: ready, log: filepath.Join(t.TempDir(), name+".log")}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			if log, err := os.ReadFile(p.log); err == nil {
				t.Logf("the end of %s's log:\n%s", name, log[max(0, len(log)-4096):])
			}
		}
	})
	p.Start(t)
	return p
}

// Start starts a peer that does not run, and returns when it answers.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, ended := p.command(), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		_ = cmd.Wait() // whoever killed it knows
		close(ended)
	}()
	p.mu.Lock()
	p.cmd, p.ended = cmd, ended
	p.mu.Unlock()
	deadline := time.Now().Add(startTimeout)
	for !p.ready() {
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", p.name, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer after %s: %s", p.name, startTimeout, p.tail())
		}
	}
}

// Kill ends a peer with SIGKILL.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
	p.cmd = nil
}

// Pause stops a peer without ending it: its connections stay, and nobody answers.
func (p *Process) Pause(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	for end := time.Now().Add(startTimeout); !stopped(p.cmd.Process.Pid); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not stop", p.name)
		}
	}
}

// stopped tells whether all threads of a process are, which is a moment after the signal.
func stopped(pid int) bool {
	stats, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat"))
	for _, stat := range stats {
		raw, _ := os.ReadFile(stat)
		if _, rest, _ := strings.Cut(string(raw), ") "); rest != "" && rest[0] != 'T' {
			return false
		}
	}
	return true
}

// Resume takes back Pause.
func (p *Process) Resume(t testing.TB) { p.signal(t, syscall.SIGCONT) }

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		t.Fatalf("%s does not run", p.name)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

func (p *Process) tail() string {
	log, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(log[max(0, len(log)-2048):]))
}

// FreePort gives a port of the loopback that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// answers tells whether a URL is answered at all; listens, whether an address is connected to.
func answers(url string) bool {
	response, err := (&http.Client{Timeout: time.Second}).Get(url)
	if err != nil {
		return false
	}
	response.Body.Close()
	return true
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
