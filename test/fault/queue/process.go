package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const module = "github.com/container-patterns/terraform-provider-pattern/"

// binaries of one test: the queue, as it is or sabotaged, the worker and its command.
type binaries struct{ queue, worker, step, clock string }

func build(t testing.TB, sabotage string) binaries {
	t.Helper()
	dir := t.TempDir()
	b := binaries{
		queue: filepath.Join(dir, "queue"), worker: filepath.Join(dir, "worker"), step: filepath.Join(dir, "step"),
		clock: filepath.Join(dir, "clock"),
	}
	flags := "-X " + module + "images/queue/clock.stepFile=" + b.clock
	if sabotage != "" {
		for _, store := range []string{"sqlite", "postgres"} {
			flags += " -X " + module + "images/queue/store/" + store + ".sabotage=" + sabotage
		}
	}
	for output, args := range map[string][]string{
		b.queue:  {"-ldflags", flags, module + "images/queue"},
		b.worker: {module + "images/worker"},
		b.step:   {module + "test/fault/queue/step"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-o", output}, args...)...) //nolint:gosec // our own packages
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", filepath.Base(output), err, out)
		}
	}
	return b
}

// process is a server or a worker, which dies and comes again.
type process struct {
	name, binary, config, log string
	env                       []string
	cmd                       *exec.Cmd
	ended                     chan struct{}
	starts                    int
}

// newProcess writes its configuration, and lets it not outlive the test.
func newProcess(t testing.TB, dir, name, binary string, config any) *process {
	t.Helper()
	p := &process{name: name, binary: binary, config: filepath.Join(dir, name+".json"), log: filepath.Join(dir, name+".log")}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.config, data, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, p.tail())
		}
	})
	return p
}

func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, ended := exec.Command(p.binary, "-config", p.config), make(chan struct{}) //nolint:gosec // our own
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), p.env...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		_ = cmd.Wait() // it was killed, or its log says why
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	p.starts++
	return nil
}

// over says that it has ended by itself.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill as the kernel's OOM killer would.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(err)
	}
	<-p.ended
}

func (p *process) tail() string {
	data, _ := os.ReadFile(p.log)
	return string(data[max(0, len(data)-3000):])
}

// lastError that it has logged.
func (p *process) lastError() string {
	data, _ := os.ReadFile(p.log)
	last := "none logged"
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"level":"ERROR"`) {
			last = strings.TrimSpace(line)
		}
	}
	return last
}
