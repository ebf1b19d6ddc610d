package wire_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

// built is the image's program.
var built = imagetest.Compile("..")

func TestMain(m *testing.M) { built.Main(m) }

func binary(t *testing.T) string { return filepath.Join(built.Folder(t), "logsaver") }

// A program is a log saver as a process.
type program struct {
	*imagetest.Process // of the last start

	t                 *testing.T
	logs, out, config string
	address           string
	user              *syscall.Credential
}

func newProgram(t *testing.T, adapt ...func(*config.Config)) *program {
	t.Helper()
	root := t.TempDir()
	p := &program{t: t, logs: filepath.Join(root, "logs"), out: filepath.Join(root, "out"), config: filepath.Join(root, "config.json")}
	require.NoError(t, os.Mkdir(p.logs, 0o755))
	require.NoError(t, os.Mkdir(p.out, 0o755))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.address = listener.Addr().String()
	require.NoError(t, listener.Close())
	c := &config.Config{
		Inputs:     []config.Input{{Name: "app", Paths: []string{filepath.Join(p.logs, "*.log")}}},
		StateDir:   filepath.Join(root, "state"),
		Source:     "web-0",
		Sink:       config.Sink{Bucket: &config.Bucket{URL: "file://" + p.out}},
		Management: config.Management{Address: p.address},
	}
	for _, f := range adapt {
		f(c)
	}
	p.configure(c)
	return p
}

// configure writes the file as an engine does: under another name, and renamed.
func (p *program) configure(c *config.Config) {
	data, err := json.Marshal(c)
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(p.config+".new", data, 0o644))
	require.NoError(p.t, os.Rename(p.config+".new", p.config))
}

func (p *program) start() *program {
	p.t.Helper()
	cmd := exec.Command(binary(p.t), "-config", p.config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	p.Process = imagetest.Start(p.t, cmd)
	require.Eventually(p.t, func() bool { status, _ := p.get("/health/startup"); return status == http.StatusOK }, 10*time.Second, 5*time.Millisecond,
		"the program starts")
	return p
}

func (p *program) get(path string) (int, string) { return imagetest.Get("http://" + p.address + path) }

func (p *program) append(name, text string) {
	file, err := os.OpenFile(filepath.Join(p.logs, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(p.t, err)
	_, err = file.WriteString(text)
	require.NoError(p.t, err)
	require.NoError(p.t, file.Close())
}

// saved is all that is in the directory.
func (p *program) saved() string {
	var all strings.Builder
	require.NoError(p.t, filepath.WalkDir(p.out, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	}))
	return all.String()
}

func TestTerminationCollectsWhatMainWroteLast(t *testing.T) {
	p := newProgram(t, func(c *config.Config) { c.Batch.MaxAge = config.Duration(time.Hour) }).start()
	p.append("app.log", "first\n")
	require.Eventually(t, func() bool {
		_, m := p.get("/metrics")
		return strings.Contains(m, `logsaver_file_lag_bytes{input="app"`)
	}, 10*time.Second, 5*time.Millisecond)
	p.append("app.log", "last\n")
	p.append("new.log", "never seen before\nand not even ended")
	assert.Zero(t, p.Terminate())
	assert.ElementsMatch(t, []string{"first", "last", "never seen before", "and not even ended"}, strings.Split(strings.TrimSpace(p.saved()), "\n"))
}

func TestASinkThatRefusesIsToldEverywhereAndDisturbsNothing(t *testing.T) {
	var refuses atomic.Bool
	refuses.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if refuses.Load() {
			http.Error(w, "no such user", http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	p := newProgram(t, func(c *config.Config) {
		c.Sink = config.Sink{HTTP: &config.HTTP{URL: server.URL}}
		c.Batch.MaxAge, c.Retry.Max = config.Duration(10*time.Millisecond), config.Duration(500*time.Millisecond)
	})
	p.append("app.log", "line\n")
	p.start()
	require.Eventually(t, func() bool { status, _ := p.get("/health/ready"); return status == http.StatusServiceUnavailable }, 10*time.Second, 5*time.Millisecond)
	_, body := p.get("/health/ready")
	assert.Contains(t, body, "401", "with the reason")
	_, metrics := p.get("/metrics")
	assert.Contains(t, metrics, "logsaver_sink_refuses 1")
	status, _ := p.get("/health/live")
	assert.Equal(t, http.StatusOK, status, "a restart would not help")
	_, log := p.get("/logs")
	assert.Contains(t, log, "sink refuses")

	refuses.Store(false)
	require.Eventually(t, func() bool { status, _ := p.get("/health/ready"); return status == http.StatusOK }, 20*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool { _, m := p.get("/metrics"); return strings.Contains(m, "logsaver_delivered_lines_total 1") }, 10*time.Second, 5*time.Millisecond)
	assert.Zero(t, p.Terminate())
}

func TestTerminationKeepsToItsGrace(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusServiceUnavailable) }))
	p := newProgram(t, func(c *config.Config) {
		c.Sink = config.Sink{HTTP: &config.HTTP{URL: server.URL}}
		c.Shutdown.Grace = config.Duration(2 * time.Second)
	}).start()
	p.append("app.log", "line\n")
	began := time.Now()
	assert.NotZero(t, p.Terminate(), "not all is delivered")
	assert.Less(t, time.Since(began), 5*time.Second)
	assert.Contains(t, p.Said(), "not all is delivered")
	server.Close()

	var got atomic.Pointer[string]
	again := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
			text := string(body)
			got.Store(&text)
		}
	}))
	defer again.Close()
	var c config.Config
	data, err := os.ReadFile(p.config)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))
	c.Sink.HTTP.URL = again.URL
	p.configure(&c)
	p.start()
	require.Eventually(t, func() bool { return got.Load() != nil }, 10*time.Second, 5*time.Millisecond, "but it is the next time")
	assert.Contains(t, *got.Load(), "line")
	assert.Zero(t, p.Terminate())
}

func TestReload(t *testing.T) {
	p := newProgram(t, func(c *config.Config) { c.Batch.MaxAge = config.Duration(10 * time.Millisecond) }).start()
	p.append("app.log", "one\n")
	require.Eventually(t, func() bool { return p.saved() == "one\n" }, 10*time.Second, 5*time.Millisecond)
	var c config.Config
	data, err := os.ReadFile(p.config)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))

	p.append("other.txt", "two\n")
	c.Inputs = append(c.Inputs, config.Input{Name: "other", Paths: []string{filepath.Join(p.logs, "*.txt")}})
	p.configure(&c)
	p.Signal(syscall.SIGHUP)
	require.Eventually(t, func() bool { return strings.Contains(p.saved(), "two\n") }, 20*time.Second, 5*time.Millisecond, "a new input is followed")
	p.append("app.log", "three\n")
	require.Eventually(t, func() bool { return strings.Contains(p.saved(), "three\n") }, 10*time.Second, 5*time.Millisecond, "the old one still is")

	c.StateDir += "-other"
	p.configure(&c)
	p.Signal(syscall.SIGHUP)
	require.Eventually(t, func() bool { _, log := p.get("/logs"); return strings.Contains(log, "state_dir: cannot change") }, 20*time.Second, 5*time.Millisecond,
		"what cannot change is refused")
	assert.Zero(t, p.Terminate())
	assert.Len(t, strings.Split(strings.TrimSpace(p.saved()), "\n"), 3, "nothing is saved twice")
}

func TestAWrongConfigurationIsRefusedAsAWhole(t *testing.T) {
	p := newProgram(t, func(c *config.Config) {
		c.Inputs[0].Name = "Not A Name"
		c.Inputs[0].Paths = []string{"relative/*.log"}
		c.Sink.Bucket.Compression = "rar"
		c.Spool.OnFull = "panic"
	})
	out, err := exec.Command(binary(t), "-config", p.config, "-check").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 78, exit.ExitCode())
	for _, want := range []string{"inputs[0].name: ", "inputs[0].paths[0]: ", "sink.bucket.compression: ", "spool.on_full: "} {
		assert.Contains(t, string(out), want)
	}
}

func TestAStateDirectoryThatCannotBeWrittenIsToldAtTheStart(t *testing.T) {
	p := newProgram(t)
	obstacle := filepath.Join(filepath.Dir(p.logs), "state")
	require.NoError(t, os.WriteFile(obstacle, nil, 0o600))
	out, err := exec.Command(binary(t), "-config", p.config).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "state_dir must be writable")
}

func TestFilesOfOthersAreReadWherePermitted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files of another user are made, which only root may do")
	}
	p := newProgram(t, func(c *config.Config) { c.Batch.MaxAge = config.Duration(10 * time.Millisecond) })
	p.user = &syscall.Credential{Uid: 65532, Gid: 65532}
	root := filepath.Dir(p.logs)
	for _, dir := range []string{built.Folder(t), root, filepath.Dir(root)} {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "state"), 0o700))
	for _, dir := range []string{p.out, filepath.Join(root, "state")} {
		require.NoError(t, os.Chown(dir, 65532, 65532))
	}
	p.append("open.log", "for all to read\n")
	p.append("secret.log", "for root alone\n")
	require.NoError(t, os.Chmod(filepath.Join(p.logs, "secret.log"), 0o600))
	p.start()
	require.Eventually(t, func() bool { return p.saved() == "for all to read\n" }, 10*time.Second, 5*time.Millisecond)
	_, metrics := p.get("/metrics")
	assert.NotContains(t, metrics, "logsaver_unreadable_total 0\n", "what cannot be read is counted")
	_, log := p.get("/logs")
	assert.Contains(t, log, "secret.log")
	require.NoError(t, os.Chmod(filepath.Join(p.logs, "secret.log"), 0o644))
	require.Eventually(t, func() bool { return strings.Contains(p.saved(), "for root alone\n") }, 10*time.Second, 5*time.Millisecond, "and read as soon as it may be")
	assert.Zero(t, p.Terminate())
}
