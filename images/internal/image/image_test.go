package image

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/lifecycle"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

const (
	within = 10 * time.Second
	tick   = 10 * time.Millisecond
)

// sample is an image's configuration.
type sample struct {
	settings.Settings
	Token string `json:"token,omitempty" secret:"true"`
	// What the image does when it is told to terminate or to start.
	StartFor settings.Duration `json:"start_for,omitempty"`
	DrainFor settings.Duration `json:"drain_for,omitempty"`
	Panic    bool              `json:"panic,omitempty"`
	Refuse   bool              `json:"refuse,omitempty"`
	Broken   string            `json:"broken,omitempty"`
}

// TestMain runs the test's binary as an image when it is told to, so that the tests have a real process to send real signals to.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_IMAGE") == "" {
		os.Exit(m.Run())
	}
	Main(Definition[sample]{
		Name:     "sample",
		Settings: func(c *sample) settings.Settings { return c.Settings },
		Start: func(_ context.Context, rt *Runtime[sample]) error {
			config := rt.File.Current()
			if config.Refuse {
				return errors.New("sink: bucket logs does not exist")
			}
			<-time.After(config.StartFor.Std())
			rt.Log.Info("started")
			rt.Ready.Add("sink", func(context.Context) error {
				if reason := rt.File.Current().Broken; reason != "" {
					return errors.New(reason)
				}
				return nil
			})
			rt.Process.OnDrain("requests", func(ctx context.Context) error {
				select {
				case <-time.After(config.DrainFor.Std()):
				case <-ctx.Done():
				}
				rt.Log.Info("drained")
				return ctx.Err()
			})
			rt.Process.OnFlush("spool", func(context.Context) error { rt.Log.Info("flushed"); return nil })
			if config.Panic {
				rt.Process.Go("wild", func(context.Context) error { panic("nil map") })
			}
			return nil
		},
	})
}

// process is an image that runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	config string
	url    string
	log    chan string // every line
	seen   []string
	exited chan int
}

// launch starts the image.
func launch(t *testing.T, config string) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	p := &process{t: t, config: path, log: make(chan string, 1000), exited: make(chan int, 1)}
	p.cmd = exec.Command(os.Args[0], "-config", path)
	p.cmd.Env = append(os.Environ(), "RUN_AS_IMAGE=1", "PATTERN_NAME=sidecar", "PATTERN_INSTANCE=web", "PATTERN_NAMESPACE=shop", "PATTERN_CONTAINER=saver")
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.log <- lines.Text()
		}
		close(p.log)
		p.cmd.Wait()
		p.exited <- p.cmd.ProcessState.ExitCode()
	}()
	return p
}

// line waits for a line of the log with a text in it.
func (p *process) line(text string) string {
	p.t.Helper()
	deadline := time.After(within)
	for {
		select {
		case line, open := <-p.log:
			if !open {
				require.Failf(p.t, "the log has ended", "without %q: %s", text, p.seen)
			}
			p.seen = append(p.seen, line)
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			require.Failf(p.t, "not in the log", "%q: %s", text, p.seen)
		}
	}
}

// up waits until the image is ready and knows where it listens.
func (p *process) up() *process {
	p.t.Helper()
	var record struct{ Management string }
	require.NoError(p.t, json.Unmarshal([]byte(p.line(`"msg":"starting"`)), &record))
	_, port, err := net.SplitHostPort(record.Management)
	require.NoError(p.t, err)
	p.url = "http://127.0.0.1:" + port
	p.eventually("/health/startup", http.StatusOK)
	return p
}

func (p *process) get(path string) (int, string) {
	p.t.Helper()
	response, err := http.Get(p.url + path)
	require.NoError(p.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, string(body)
}

func (p *process) eventually(path string, status int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		response, err := http.Get(p.url + path)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == status
	}, within, tick, path)
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

func (p *process) exit() int {
	p.t.Helper()
	for line := range p.log {
		p.seen = append(p.seen, line)
	}
	select {
	case code := <-p.exited:
		return code
	case <-time.After(within):
		require.Fail(p.t, "did not exit")
		return -1
	}
}

const local = "management: {address: '127.0.0.1:0'}\n"

func TestTheManagementAPI(t *testing.T) {
	p := launch(t, "management: {address: ':0'}\ntoken: s3cret\n").up()
	answers := []struct {
		path   string
		status int
		has    []string
	}{
		{"/", 200, []string{"/health/live"}},
		{"/health/live", 200, []string{`"status": "ok"`, `"state": "running"`}},
		{"/health/ready", 200, []string{`"name": "sink"`, `"ok": true`}},
		{"/health/startup", 200, []string{`"status": "ok"`}},
		{"/info", 200, []string{`"pattern": "sidecar"`, `"instance": "web"`, `"namespace": "shop"`, `"container": "saver"`, `"image": "sample"`, `"started"`}},
		{"/config", 200, []string{`"token": "(redacted)"`, `"reloads": 0`}},
		{"/logs", 200, []string{`"msg":"starting"`}},
		{"/logs?level=error", 200, nil},
		{"/logs?level=loud", 400, []string{"must be debug, info, warn or error"}},
		{"/logs?n=many", 400, []string{"n: must be"}},
		{"/lifecycle", 200, []string{`"state": "running"`}},
		{"/debug/pprof/goroutine?debug=1", 200, []string{"goroutine profile"}},
		{"/metrics", 200, []string{
			"go_goroutines", "process_resident_memory_bytes", `pattern_build_info{container_name="saver"`,
			`pattern_lifecycle_state{state="running"} 1`, "pattern_ready 1", `pattern_ready_check{check="sink"} 1`,
			"pattern_config_last_reload_successful 1",
		}},
		{"/absent", 404, nil},
	}
	for _, want := range answers {
		t.Run(want.path, func(t *testing.T) {
			status, body := p.get(want.path)
			assert.Equal(t, want.status, status, body)
			for _, text := range want.has {
				assert.Contains(t, body, text)
			}
			assert.NotContains(t, body, "s3cret")
		})
	}
}

func TestOnlyTheLoopbackMayChangeAnything(t *testing.T) {
	outside := outsideAddress(t)
	p := launch(t, "management: {address: ':0'}\n").up()
	port := p.url[strings.LastIndex(p.url, ":"):]
	for _, request := range []struct{ method, path string }{{"POST", "/lifecycle/drain"}, {"GET", "/debug/pprof/heap"}} {
		r, err := http.NewRequest(request.method, "http://"+outside+port+request.path, nil)
		require.NoError(t, err)
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, http.StatusForbidden, response.StatusCode, request.path)
	}
	response, err := http.Get("http://" + outside + port + "/health/ready")
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode, "probes come from outside")
	response, err = http.Get(p.url + "/lifecycle/drain")
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)

	response, err = http.Post(p.url+"/lifecycle/drain", "", nil)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusAccepted, response.StatusCode)
	assert.Equal(t, lifecycle.ExitClean, p.exit())
}

// outsideAddress is one of the machine's addresses that is not the loopback's.
func outsideAddress(t *testing.T) string {
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			return network.IP.String()
		}
	}
	t.Skip("this machine has no address but the loopback's")
	return ""
}

func TestTerminationOnEverySignalThatEnginesSend(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			p := launch(t, local+"drain_for: 300ms\n").up()
			p.signal(s)
			p.eventually("/health/ready", http.StatusServiceUnavailable)
			_, body := p.get("/health/ready")
			assert.Contains(t, body, "draining: signal "+s.String())
			status, _ := p.get("/health/live")
			assert.Equal(t, http.StatusOK, status, "what drains is alive")
			assert.Equal(t, lifecycle.ExitClean, p.exit())
			all := strings.Join(p.seen, "\n")
			assert.Less(t, strings.Index(all, "drained"), strings.Index(all, "flushed"))
			assert.Contains(t, all, `"exit_code":0`)
		})
	}
}

func TestAHangupIsNeverTheEnd(t *testing.T) {
	p := launch(t, local+"start_for: 300ms\ndrain_for: 300ms\n")
	p.line(`"msg":"starting"`)
	p.signal(syscall.SIGHUP)
	p.line("started")
	p.signal(syscall.SIGTERM)
	p.line("termination begins")
	p.signal(syscall.SIGHUP)
	p.line("drained")
	p.signal(syscall.SIGHUP)
	assert.Equal(t, lifecycle.ExitClean, p.exit())
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p := launch(t, local+"drain_for: 1h\nlifecycle: {grace: 2h}\n").up()
	p.signal(syscall.SIGTERM)
	p.line("termination begins")
	p.signal(syscall.SIGTERM)
	assert.Equal(t, lifecycle.ExitSignalled+int(syscall.SIGTERM), p.exit())
}

func TestTheGraceIsKept(t *testing.T) {
	p := launch(t, local+"drain_for: 1h\nlifecycle: {grace: 400ms}\n").up()
	p.signal(syscall.SIGTERM)
	assert.Equal(t, lifecycle.ExitGrace, p.exit())
	assert.Contains(t, strings.Join(p.seen, "\n"), "flushed", "the flush has its share of the grace")
}

func TestAStartThatFails(t *testing.T) {
	cases := []struct {
		name, config, says string
		code               int
	}{
		{name: "an invalid file is told of with every fault", config: "tokn: a\nlog: {level: 3}\n", says: "log.level: must be a string", code: lifecycle.ExitConfig},
		{name: "an invalid shared setting is told of", config: "log: {level: loud}\n", says: "log.level: must be debug", code: lifecycle.ExitConfig},
		{name: "the image's own reason is told", config: local + "refuse: true\n", says: "bucket logs does not exist", code: lifecycle.ExitFailure},
		{name: "a panic is told of with its stack", config: local + "panic: true\n", says: "image_test.go", code: lifecycle.ExitPanic},
		{name: "an address that cannot be had is told of", config: "management: {address: '192.0.2.1:80'}\n", says: "set management.address", code: lifecycle.ExitFailure},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := launch(t, c.config)
			assert.Equal(t, c.code, p.exit())
			assert.Contains(t, strings.Join(p.seen, "\n"), c.says)
		})
	}
}

func TestReloadsChangeWhatCanChange(t *testing.T) {
	p := launch(t, local).up()
	rewrite := func(config string) { require.NoError(t, os.WriteFile(p.config, []byte(config), 0o600)) }

	rewrite(local + "log: {level: debug}\nbroken: 'bucket logs: refused'\n")
	p.line("configuration reloaded")
	p.eventually("/health/ready", http.StatusServiceUnavailable)
	_, body := p.get("/health/ready")
	assert.Contains(t, body, "bucket logs: refused")

	rewrite("management: {address: ':1'}\n")
	assert.Contains(t, p.line("configuration not reloaded"), "management: cannot change without a restart")
	_, body = p.get("/metrics")
	assert.Contains(t, body, `pattern_config_reloads_total{result="success"} 1`)
	assert.Contains(t, body, `pattern_config_reloads_total{result="failure"} 1`)
	assert.Contains(t, body, "pattern_config_last_reload_successful 0")

	rewrite(local)
	p.line("configuration reloaded")
	p.signal(syscall.SIGTERM)
	assert.Equal(t, lifecycle.ExitClean, p.exit())
}

func TestTheLogCanBeFollowed(t *testing.T) {
	p := launch(t, local).up()
	response, err := http.Get(p.url + "/logs?follow=true")
	require.NoError(t, err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for _, past := range []string{"starting", "started"} {
		require.True(t, lines.Scan())
		assert.Contains(t, lines.Text(), past)
	}
	require.NoError(t, os.WriteFile(p.config, []byte("wrong: 1\n"), 0o600))
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "configuration not reloaded")
	p.signal(syscall.SIGTERM)
	assert.Equal(t, lifecycle.ExitClean, p.exit(), "a reader does not keep the image from its end")
}

func TestFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte("token: a\n"), 0o600))
	cases := []struct {
		name string
		args []string
		says string
		code int
	}{
		{name: "check tells that a file is valid", args: []string{"-check", "-config", path}, says: "is valid", code: lifecycle.ExitClean},
		{name: "check tells that there is none", args: []string{"-check", "-config", path + ".absent"}, says: "no such file", code: lifecycle.ExitConfig},
		{name: "version tells the version", args: []string{"-version"}, says: "sample", code: lifecycle.ExitClean},
		{name: "help tells of the flags", args: []string{"-help"}, says: "PATTERN_CONFIG", code: lifecycle.ExitClean},
		{name: "an unknown flag is told of", args: []string{"-loud"}, says: "not defined: -loud", code: lifecycle.ExitConfig},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], c.args...)
			cmd.Env = append(os.Environ(), "RUN_AS_IMAGE=1")
			out, _ := cmd.CombinedOutput()
			assert.Contains(t, string(out), c.says)
			assert.Equal(t, c.code, cmd.ProcessState.ExitCode(), fmt.Sprint(c.args))
		})
	}
}
