package peers

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody runs PostgreSQL, which refuses to be root.
const nobody = 65534

// Postgres is Debian's PostgreSQL over a directory of its own. It syncs what it commits, as it does by default.
type Postgres struct {
	*Process
	// URL as of libpq, by TCP on the loopback.
	URL string
	// Data is its directory.
	Data string
}

// NewPostgres makes a cluster in a directory that is empty or missing, and starts it; the test's own if it is "".
func NewPostgres(t testing.TB, data string) *Postgres {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Fatal("no /usr/lib/postgresql/*/bin/postgres: apt-get install postgresql")
	}
	bin := filepath.Dir(found[len(found)-1])
	// Not below t.TempDir, through which only its owner passes.
	home, err := os.MkdirTemp("", "postgres") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if data == "" {
		data = filepath.Join(home, "data")
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = home
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		return cmd
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		for _, dir := range []string{home, data} {
			if err := os.Chown(dir, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := command("initdb", "-D", data, "-U", "postgres", "-A", "trust").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := FreePort(t)
	p := &Postgres{Data: data, URL: fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port)}
	p.Process = start(t, "postgres", func() *exec.Cmd {
		return command("postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port), "-k", home)
	}, func() bool { // pg_isready tells a server that recovers from one that is there
		return command("pg_isready", "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", strconv.Itoa(port)).Run() == nil
	})
	t.Cleanup(p.Kill)
	return p
}

// Kill ends all its processes with SIGKILL. Those that serve connections would else outlive the first one for a while.
func (p *Postgres) Kill() {
	p.mu.Lock()
	var children []int
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(syscall.SIGSTOP) // so that it starts no others
		children = childrenOf(p.cmd.Process.Pid)
	}
	p.mu.Unlock()
	p.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, pid := range children { // until then their memory is shared, and the next server refuses to start
		for end := time.Now().Add(startTimeout); time.Now().Before(end); <-tick.C {
			if _, state := parentOf(pid); state == "" || state == "Z" {
				break
			}
		}
	}
}

func childrenOf(parent int) (children []int) {
	found, _ := fs.Glob(os.DirFS("/proc"), "[0-9]*")
	for _, name := range found {
		if pid, err := strconv.Atoi(name); err == nil {
			if of, _ := parentOf(pid); of == parent {
				children = append(children, pid)
			}
		}
	}
	return children
}

// parentOf a process, and its state; 0 and "" if there is none.
func parentOf(pid int) (parent int, state string) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ""
	}
	// PID (NAME) STATE PPID ...
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	return parent, fields[0]
}
