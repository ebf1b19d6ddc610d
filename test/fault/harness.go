// Package fault treats the log saver as a cluster would on its worst day: real processes, real files, a real store, and
// every few moments one of them is killed. Afterwards each line must be in the store, once.
package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// MaxResident is what the log saver may have resident, whatever happens.
const MaxResident = 32 << 20

// A Plan is what happens.
type Plan struct {
	// Writing is how long lines are written, Rate how many a second.
	Writing time.Duration
	Rate    int
	// Rotate is the time between rotations, Keep the number of rotated files; CopyTruncate the way.
	Rotate       time.Duration
	Keep         int
	CopyTruncate bool
	// KillEvery is the time between two SIGKILLs of the saver; 0 for none.
	KillEvery time.Duration
	// Outage is what is done to the store, from AwayAfter on for AwayFor.
	Outage              func(*peers.S3)
	Return              func(*peers.S3)
	AwayAfter, AwayFor  time.Duration
	PauseAfter, Pausing time.Duration // SIGSTOP of the saver
	// Bandwidth of the way to the store while lines are written, in bytes per second; 0 for all there is.
	Bandwidth int64
	// Adapt changes the saver's configuration.
	Adapt func(*config.Config)
}

// A Report is what came of it.
type Report struct {
	Findings
	Written, Starts int
	// Resident is the highest that any of the savers has had.
	Resident int64
	// Log is what all the savers have logged.
	Log string
}

func (r Report) String() string {
	return fmt.Sprintf("%d lines written, %d stored in %d objects, %d lost, %d twice, %d overlapping objects; saver started %d times, at most %.1f MiB resident",
		r.Written, r.Lines, r.Objects, len(r.Lost), len(r.Doubled), len(r.Overlapping), r.Starts, float64(r.Resident)/(1<<20))
}

// unprivileged is the user that the image has.
const unprivileged = 65532

// build compiles the saver and the writer as they are.
func build(t testing.TB) (saver, writer string) {
	t.Helper()
	dir := t.TempDir()
	for name, pkg := range map[string]string{"logsaver": "images/logsaver", "writer": "test/fault/writer"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "github.com/container-patterns/terraform-provider-pattern/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return filepath.Join(dir, "logsaver"), filepath.Join(dir, "writer")
}

// Run carries a plan out.
func Run(t testing.TB, plan Plan) Report {
	t.Helper()
	saverBinary, writerBinary := build(t)
	store := peers.Versitygw(t)
	url := store.MakeBucket(t, "logs")
	way := newThrottle(t, strings.TrimPrefix(store.Endpoint, "http://"), plan.Bandwidth)
	if plan.Bandwidth > 0 {
		url = strings.Replace(url, store.Endpoint, "http://"+way.address(), 1)
	}
	root := t.TempDir()
	s := &saver{t: t, binary: saverBinary, env: []string{"AWS_ACCESS_KEY_ID=" + store.AccessKey, "AWS_SECRET_ACCESS_KEY=" + store.SecretKey}}
	logs := s.prepare(root, url, plan.Adapt)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	writer := exec.CommandContext(ctx, writerBinary, "-file", filepath.Join(logs, "app.log"), "-rate", strconv.Itoa(plan.Rate),
		"-rotate", plan.Rotate.String(), "-keep", strconv.Itoa(plan.Keep), "-for", plan.Writing.String(),
		fmt.Sprintf("-copytruncate=%t", plan.CopyTruncate))
	var counted bytes.Buffer
	writer.Stdout, writer.Stderr = &counted, os.Stderr
	s.start()
	if err := writer.Start(); err != nil {
		t.Fatalf("start the writer: %v", err)
	}
	s.torment(plan, store)
	if err := writer.Wait(); err != nil {
		t.Fatalf("the writer has failed: %v", err)
	}
	way.bytesPerSecond.Store(0)
	s.finish()
	written, err := strconv.Atoi(strings.TrimSpace(counted.String()))
	if err != nil {
		t.Fatalf("the writer tells no count: %v", err)
	}
	findings, err := Check(store.Objects(t, "logs"), written)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.log.Name())
	s.must(err)
	return Report{Findings: findings, Written: written, Starts: s.starts, Resident: s.resident, Log: string(log)}
}

// A saver is the process under test, which dies and comes again.
type saver struct {
	t      testing.TB
	binary string
	config string
	// address of its management API.
	address string
	env     []string
	user    *syscall.Credential

	cmd      *exec.Cmd
	log      *os.File
	starts   int
	mu       sync.Mutex
	resident int64
	watched  chan struct{}
}

// prepare lays the directories out and writes the configuration. It returns where the logs go.
func (s *saver) prepare(root, bucket string, adapt func(*config.Config)) (logs string) {
	s.t.Helper()
	logs, state := filepath.Join(root, "logs"), filepath.Join(root, "state")
	for _, dir := range []string{logs, state} {
		s.must(os.MkdirAll(dir, 0o755))
	}
	c := &config.Config{
		Inputs:     []config.Input{{Name: "app", Paths: []string{filepath.Join(logs, "*.log")}}},
		StateDir:   state,
		Source:     "web-0",
		Sink:       config.Sink{Bucket: &config.Bucket{URL: bucket, Compression: config.CompressionZstd}},
		Spool:      config.Spool{MaxBytes: 1 << 30},
		Management: config.Management{Address: fmt.Sprintf("127.0.0.1:%d", peers.FreePort(s.t))},
	}
	if adapt != nil {
		adapt(c)
	}
	c.SetDefaults()
	s.address = c.Management.Address
	s.must(c.Validate())
	data, err := json.Marshal(c)
	s.must(err)
	s.config = filepath.Join(root, "config.json")
	s.must(os.WriteFile(s.config, data, 0o644))
	s.log, err = os.Create(filepath.Join(root, "saver.log"))
	s.must(err)
	s.t.Cleanup(func() {
		_ = s.log.Close()
		if s.t.Failed() {
			s.t.Logf("the end of the saver's log:\n%s", tail(s.log.Name()))
		}
	})
	if os.Geteuid() == 0 { // as in its image; the logs stay another user's
		s.user = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
		s.must(os.Chown(state, unprivileged, unprivileged))
		s.must(os.MkdirAll(c.Spool.Dir, 0o755))
		s.must(os.Chown(c.Spool.Dir, unprivileged, unprivileged))
		for _, dir := range append(ancestors(root), filepath.Dir(s.binary)) {
			s.open(dir)
		}
	}
	return logs
}

// open lets others pass through a directory of the test.
func (s *saver) open(dir string) {
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 != 0o005 && strings.HasPrefix(dir, os.TempDir()+"/") {
		s.must(os.Chmod(dir, info.Mode().Perm()|0o055))
	}
}

func ancestors(dir string) (all []string) {
	for ; len(dir) > 1; dir = filepath.Dir(dir) {
		all = append(all, dir)
	}
	return all
}

func (s *saver) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func tail(path string) string {
	data, _ := os.ReadFile(path)
	return string(data[max(0, len(data)-6000):])
}

func (s *saver) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "-config", s.config)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stderr = s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user, Pdeathsig: syscall.SIGKILL}
	s.must(s.cmd.Start())
	s.starts++
	s.watched = make(chan struct{})
	go s.watch(s.cmd.Process.Pid, s.watched)
}

// watch notes the peak of resident memory until the process has none.
func (s *saver) watch(pid int, done chan struct{}) {
	defer close(done)
	// The kernel keeps the peak; the last look is at most this old when the process is killed.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return
		}
		_, after, ok := strings.Cut(string(data), "VmHWM:")
		if !ok {
			return // a zombie has no memory
		}
		var kib int64
		if _, err := fmt.Sscan(after, &kib); err == nil {
			s.mu.Lock()
			s.resident = max(s.resident, kib<<10)
			s.mu.Unlock()
		}
		<-tick.C
	}
}

// kill ends the saver as the kernel's OOM killer would.
func (s *saver) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	_ = s.cmd.Wait()
	<-s.watched
}

// await returns when the saver has started.
func (s *saver) await() {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		response, err := http.Get("http://" + s.address + "/health/startup")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the saver does not start:\n%s", tail(s.log.Name()))
		}
	}
}

// finish asks the saver to end, and sees that it does so in order and in time.
func (s *saver) finish() {
	s.t.Helper()
	s.await() // the kernel, and not the saver, answers a signal to a process that has just begun
	began := time.Now()
	s.must(s.cmd.Process.Signal(syscall.SIGTERM))
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			s.t.Errorf("the saver has ended with %v after %s\n%s", err, time.Since(began), tail(s.log.Name()))
		}
	case <-time.After(60 * time.Second):
		_ = s.cmd.Process.Kill()
		s.t.Errorf("the saver does not end:\n%s", tail(s.log.Name()))
	}
	<-s.watched
}

// torment does to the saver and the store what the plan says, until the writing is over.
func (s *saver) torment(plan Plan, store *peers.S3) {
	after := func(d time.Duration, wanted bool) <-chan time.Time {
		if !wanted {
			return nil
		}
		return time.After(d)
	}
	end := time.After(plan.Writing)
	away, back := after(plan.AwayAfter, plan.Outage != nil), after(plan.AwayAfter+plan.AwayFor, plan.Outage != nil)
	pause, resume := after(plan.PauseAfter, plan.Pausing > 0), after(plan.PauseAfter+plan.Pausing, plan.Pausing > 0)
	kill := after(plan.KillEvery, plan.KillEvery > 0)
	for {
		select {
		case <-end:
			return
		case <-away:
			plan.Outage(store)
		case <-back:
			plan.Return(store)
		case <-pause:
			s.must(s.cmd.Process.Signal(syscall.SIGSTOP))
		case <-resume:
			s.must(s.cmd.Process.Signal(syscall.SIGCONT))
		case <-kill:
			s.kill()
			s.start()
			kill = after(plan.KillEvery, true)
		}
	}
}
