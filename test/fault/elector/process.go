package elector

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

const module = "github.com/container-patterns/terraform-provider-pattern/"

// compiled is the elector of this folder's tests.
func compiled(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "member")
	build := exec.Command("go", "build", "-o", path, module+"test/fault/elector/member")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the elector: %v\n%s", err, out)
	}
	return path
}

// elector is a process that dies and comes again, each time at another address.
type elector struct {
	t      testing.TB
	number int
	binary string
	config config.Config
	path   string // of what belongs to it
	env    []string
	links  []*Link
	folder string // that it may lose

	mu    sync.Mutex
	life  int
	base  string
	cmd   *exec.Cmd
	ended chan struct{}
	http  *http.Client
}

func newElector(t testing.TB, number int, binary, dir string, c config.Config, s Site) *elector {
	c.Member, c.Management.Address, c.Backend = memberName(number), "127.0.0.1:0", s.Backend
	e := &elector{t: t, number: number, binary: binary, config: c, path: filepath.Join(dir, memberName(number)), env: s.Env, links: s.Links, folder: s.Folder}
	t.Cleanup(func() {
		e.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", memberName(number), e.tail())
		}
	})
	return e
}

// freeAddress is one that no connection to elsewhere will have while an elector that has it is not there, as ports from 32768 on may.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000)) //nolint:gosec // no secret
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func memberName(number int) string { return fmt.Sprint("member-", number) }

// start it with a clock that goes at a rate.
func (e *elector) start(rate float64, env ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.config.Listen = freeAddress(e.t)
	raw, err := json.Marshal(e.config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(e.path+".json", raw, 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(e.path+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, ended := exec.Command(e.binary, "-config", e.path+".json"), make(chan struct{}) //nolint:gosec // our own
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(append(os.Environ(), e.env...), append(env, fmt.Sprintf("CLOCK_RATE=%g", rate))...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", e.config.Member, err)
	}
	go func() {
		_ = cmd.Wait() // it was killed, or its log says why
		close(ended)
	}()
	e.cmd, e.ended = cmd, ended
	e.life++
	e.base = "http://" + e.config.Listen
	e.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return nil
}

// at tells where it is asked now, and in which of its lives.
func (e *elector) at() (base string, life int, client *http.Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.base, e.life, e.http
}

func (e *elector) signal(s syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		e.t.Errorf("%s to %s: %v", s, e.config.Member, err)
	}
}

// over says that it has ended.
func (e *elector) over() bool {
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

func (e *elector) kill() {
	if e.cmd != nil {
		e.signal(syscall.SIGKILL)
		<-e.ended
	}
}

// end it as an engine does.
func (e *elector) end(patience time.Duration) {
	e.signal(syscall.SIGTERM)
	select {
	case <-e.ended:
	case <-time.After(patience):
		e.kill()
	}
}

func (e *elector) tail() string {
	data, _ := os.ReadFile(e.path + ".log")
	return string(data[max(0, len(data)-3000):])
}
