package discovery

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	patience = 10 * time.Second
	often    = 5 * time.Millisecond
)

// told collects what a follower has said.
type told struct {
	mu    sync.Mutex
	lists [][]string
}

func (l *told) add(addresses []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lists = append(l.lists, addresses)
}

func (l *told) all() [][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][]string(nil), l.lists...)
}

func (l *told) last() string {
	all := l.all()
	if len(all) == 0 {
		return "nothing yet"
	}
	return strings.Join(all[len(all)-1], " ")
}

func (l *told) waits(t *testing.T, want string) {
	t.Helper()
	if !assert.Eventually(t, func() bool { return l.last() == want }, patience, often, "%q is wanted", want) {
		t.Fatalf("told: %q", l.all())
	}
}

// started runs something until the test ends, and waits for its end.
func started(t *testing.T, run func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func testLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func write(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

func followFile(t *testing.T, o Options, file string) *told {
	o.Log = testLog(t)
	l := &told{}
	f := New(o)
	started(t, func(ctx context.Context) { f.File(ctx, file, l.add) })
	return l
}

func TestLines(t *testing.T) {
	for _, test := range []struct {
		name, content string
		want          []string
	}{
		{"an empty file has none", "", nil},
		{"each line is one", "10.0.0.1:80\n10.0.0.2:81\n", []string{"10.0.0.1:80", "10.0.0.2:81"}},
		{"comments, blank lines and carriage returns are nothing", "# all\r\n\r\n 10.0.0.1:80 # the first\r\n", []string{"10.0.0.1:80"}},
		{"IPv6 has brackets", "[2001:db8::1]:80", []string{"[2001:db8::1]:80"}},
		{"an IPv4 address in IPv6 clothes is one of IPv4", "[::ffff:10.0.0.1]:80", []string{"10.0.0.1:80"}},
		{"a line without a port is left out, and the others stay", "10.0.0.1\n10.0.0.2:80", []string{"10.0.0.2:80"}},
		{"ports are numbers from 1 to 65535", "10.0.0.1:http\n10.0.0.1:0\n10.0.0.1:65536\n10.0.0.1:65535", []string{"10.0.0.1:65535"}},
		{"there must be a host", ":80", nil},
		{"what is there twice counts once, and all are sorted", "10.0.0.2:80\n10.0.0.1:80\n10.0.0.2:80", []string{"10.0.0.1:80", "10.0.0.2:80"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := New(Options{Log: testLog(t)}).group("test", nil)
			g.lines = parse([]byte(test.content), "test", g.options.Log)
			got, pending := g.addresses()
			assert.ElementsMatch(t, test.want, got)
			assert.IsNonDecreasing(t, append([]string{""}, got...))
			assert.False(t, pending)
		})
	}
}

func TestFileIsFollowed(t *testing.T) {
	t.Run("when it comes, is written, is replaced, and goes", func(t *testing.T) {
		folder := t.TempDir()
		file := filepath.Join(folder, "endpoints")
		l := followFile(t, Options{}, file)
		l.waits(t, "")
		write(t, file, "10.0.0.1:80\n")
		l.waits(t, "10.0.0.1:80")
		write(t, file, "10.0.0.1:80\n10.0.0.2:80\n")
		l.waits(t, "10.0.0.1:80 10.0.0.2:80")
		write(t, file+".new", "10.0.0.3:80\n")
		require.NoError(t, os.Rename(file+".new", file))
		l.waits(t, "10.0.0.3:80")
		require.NoError(t, os.Remove(file))
		l.waits(t, "")
	})
	t.Run("as Kubernetes swaps a volume of a ConfigMap", func(t *testing.T) {
		folder := t.TempDir()
		swap := func(version, content string) {
			require.NoError(t, os.Mkdir(filepath.Join(folder, version), 0o700))
			write(t, filepath.Join(folder, version, "endpoints"), content)
			require.NoError(t, os.Symlink(version, filepath.Join(folder, "..data_tmp")))
			require.NoError(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
		}
		swap("..1", "10.0.0.1:80")
		file := filepath.Join(folder, "endpoints")
		require.NoError(t, os.Symlink("..data/endpoints", file))
		l := followFile(t, Options{}, file)
		l.waits(t, "10.0.0.1:80")
		swap("..2", "10.0.0.2:80")
		l.waits(t, "10.0.0.2:80")
	})
	t.Run("in a folder that is not there yet", func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "later")
		l := followFile(t, Options{}, filepath.Join(folder, "endpoints"))
		l.waits(t, "")
		require.NoError(t, os.Mkdir(folder, 0o700))
		write(t, filepath.Join(folder, "endpoints"), "10.0.0.1:80")
		l.waits(t, "10.0.0.1:80")
	})
	t.Run("and nothing is told that was told before", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "endpoints")
		write(t, file, "10.0.0.1:80\n10.0.0.2:80")
		l := followFile(t, Options{}, file)
		l.waits(t, "10.0.0.1:80 10.0.0.2:80")
		write(t, file, "10.0.0.2:80\n10.0.0.1:80\n# in another order\n")
		write(t, file+".next", "")
		write(t, file, "10.0.0.2:80\n10.0.0.1:80\n10.0.0.3:80")
		l.waits(t, "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80")
		assert.Len(t, l.all(), 2)
	})
}

func TestManyFilesShareOneWatcher(t *testing.T) {
	folder := t.TempDir()
	f := New(Options{Log: testLog(t)})
	before := runtime.NumGoroutine()
	const n = 300 // more than the watchers that a user has by default
	var lists [n]told
	var stops []func()
	path := func(i int) string {
		return filepath.Join(folder, strings.Repeat("x", i%7), "endpoints-"+string(rune('a'+i%26))+strings.Repeat("0", i/26))
	}
	for i := range n {
		require.NoError(t, os.MkdirAll(filepath.Dir(path(i)), 0o700))
		stops = append(stops, started(t, func(ctx context.Context) { f.File(ctx, path(i), lists[i].add) }))
	}
	for i := range n {
		lists[i].waits(t, "")
	}
	f.folders.mu.Lock()
	assert.Len(t, f.folders.members, 7)
	assert.Len(t, f.folders.watcher.WatchList(), 7)
	f.folders.mu.Unlock()
	for i := range n {
		write(t, path(i), "10.0.0.1:80")
	}
	for i := range n {
		lists[i].waits(t, "10.0.0.1:80")
	}
	for _, stop := range stops {
		stop()
	}
	assert.Nil(t, f.folders.watcher, "who leaves last closes it")
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, patience, often, "goroutines are left, besides the one that looks")
}
