package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

const module = "github.com/container-patterns/terraform-provider-pattern/"

func build(dir, pkg string) (string, error) {
	out := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", out, module+pkg) //nolint:gosec // our own packages
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// A process of the bench's own. Its first line of output is where it is reached.
type process struct {
	cmd   *exec.Cmd
	first string
	out   *bufio.Reader
}

// start a program whose first line says that it is there.
func start(name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...) //nolint:gosec // our own binaries
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, out: bufio.NewReader(out)}
	p.first, err = p.out.ReadString('\n')
	p.first = strings.TrimSpace(p.first)
	return p, err
}

// stop it in order.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_, _ = io.Copy(io.Discard, p.out)         // or it would wait for its last words to be read
	_ = p.cmd.Wait()                          // as above
}

// cpu time that a process has used, in seconds.
func cpu(pid int) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	const ticks = 100 // USER_HZ, on every Linux
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks
}

// peak of a process's resident memory, in MiB.
func peak(pid int) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// leaves starts so many cheap ones, and gives their addresses.
func (b *bench) leaves(n int, args ...string) (*process, []string, error) {
	p, err := start(b.leaf, append([]string{"-n", strconv.Itoa(n)}, args...)...)
	if err != nil {
		return nil, nil, err
	}
	return p, strings.Split(p.first, ","), nil
}

// A root is a gatherer over leaves.
type root struct {
	cmd                 *exec.Cmd
	address, management string
}

func (r *root) pid() int { return r.cmd.Process.Pid }

func (r *root) stop() {
	_ = r.cmd.Process.Kill() // its end is not measured
	_ = r.cmd.Wait()
}

// root over shards, each of which has these replicas.
func (b *bench) root(merge config.Merge, policy config.Policy, shards ...[]string) (*root, error) {
	dir, err := os.MkdirTemp(b.dir, "root-")
	if err != nil {
		return nil, err
	}
	address, management := freeAddress(), freeAddress()
	c := config.Config{Node: config.Node{Name: "root", Depth: 1}, Shards: len(shards), Listen: address, Merge: merge, Policy: policy}
	c.Management.Address = management
	for i, replicas := range shards {
		file := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(file, []byte(strings.Join(replicas, "\n")+"\n"), 0o600); err != nil {
			return nil, err
		}
		c.Children = append(c.Children, config.Child{Name: fmt.Sprint("shard ", i), Shards: []int{i}, EndpointsFile: file})
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r := &root{cmd: exec.Command(b.gatherer, "-config", path), address: address, management: management} //nolint:gosec // our own binary
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		response, err := http.Get("http://" + management + "/health/ready")
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return r, nil
		}
	}
	text, _ := os.ReadFile(log.Name())
	r.stop()
	return nil, errors.New("the gatherer is not ready: " + string(text))
}
