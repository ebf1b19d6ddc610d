package configfile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	within = 5 * time.Second
	tick   = 5 * time.Millisecond
)

// watched opens a file and watches it until the test ends.
func watched(t *testing.T, path string) *File[sample] {
	t.Helper()
	f, err := Open[sample](path)
	require.NoError(t, err)
	f.Log(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return f
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestWatch(t *testing.T) {
	// A SIGHUP that comes before Watch listens must not end the test; Watch reads the file once when it begins.
	signal.Notify(make(chan os.Signal, 8), syscall.SIGHUP)
	cases := []struct {
		name   string
		layout func(t *testing.T, dir string) (path string)
		change func(t *testing.T, dir, name string)
	}{
		{
			name:   "a file that is written anew is read again",
			layout: func(t *testing.T, dir string) string { write(t, dir+"/c.yaml", "name: old"); return dir + "/c.yaml" },
			change: func(t *testing.T, dir, name string) { write(t, dir+"/c.yaml", "name: "+name) },
		},
		{
			name:   "a file that is renamed over the old one is read again",
			layout: func(t *testing.T, dir string) string { write(t, dir+"/c.yaml", "name: old"); return dir + "/c.yaml" },
			change: func(t *testing.T, dir, name string) {
				write(t, dir+"/.c.tmp", "name: "+name)
				require.NoError(t, os.Rename(dir+"/.c.tmp", dir+"/c.yaml"))
			},
		},
		{
			name: "a ConfigMap's link that is swapped is followed",
			layout: func(t *testing.T, dir string) string {
				require.NoError(t, os.Mkdir(dir+"/..old", 0o700))
				write(t, dir+"/..old/c.yaml", "name: old")
				require.NoError(t, os.Symlink("..old", dir+"/..data"))
				require.NoError(t, os.Symlink("..data/c.yaml", dir+"/c.yaml"))
				return dir + "/c.yaml"
			},
			change: func(t *testing.T, dir, name string) {
				require.NoError(t, os.Mkdir(dir+"/..v-"+name, 0o700))
				write(t, dir+"/..v-"+name+"/c.yaml", "name: "+name)
				require.NoError(t, os.Symlink("..v-"+name, dir+"/..data_tmp"))
				require.NoError(t, os.Rename(dir+"/..data_tmp", dir+"/..data"))
				require.NoError(t, os.RemoveAll(dir+"/..old"))
			},
		},
		{
			name: "SIGHUP reads again what no notice tells of",
			layout: func(t *testing.T, dir string) string {
				// The notice is about the directory of the link, where nothing happens.
				require.NoError(t, os.Mkdir(dir+"/far", 0o700))
				write(t, dir+"/far/x", "name: old")
				require.NoError(t, os.Symlink("far/x", dir+"/c.yaml"))
				return dir + "/c.yaml"
			},
			change: func(t *testing.T, dir, name string) {
				write(t, dir+"/far/x", "name: "+name)
				require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			f := watched(t, c.layout(t, dir))
			// Watch reads once when it begins, which may be after the first change, and is before the second.
			for _, name := range []string{"new", "newer"} {
				c.change(t, dir, name)
				require.Eventually(t, func() bool { return f.Current().Name == name }, within, tick)
			}
			assert.Equal(t, uint64(2), f.Status().Successes)
			assert.Empty(t, f.Status().LastError)
		})
	}
}

func TestAnInvalidFileChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write(t, path, "name: old")
	f := watched(t, path)
	write(t, path, "name: new\nwrong: 1")
	require.Eventually(t, func() bool { return f.Status().Failures == 1 }, within, tick)
	assert.Equal(t, "old", f.Current().Name)
	assert.Contains(t, f.Status().LastError, "wrong: unknown field")

	write(t, path, "name: old")
	require.Eventually(t, func() bool { return f.Status().LastError == "" }, within, tick, "the file is again what is in use")
	assert.Zero(t, f.Status().Successes, "nothing was reloaded")

	require.NoError(t, os.Remove(path))
	require.Eventually(t, func() bool { return f.Status().Failures == 2 }, within, tick)
	assert.Equal(t, "old", f.Current().Name)

	write(t, path, "name: new")
	require.Eventually(t, func() bool { return f.Current().Name == "new" }, within, tick)
}

func TestOtherFilesInTheDirectoryDoNotDelayAReload(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/c.yaml", "name: old")
	f := watched(t, dir+"/c.yaml")
	write(t, dir+"/c.yaml", "name: new")
	require.Eventually(t, func() bool {
		write(t, dir+"/busy", time.Now().String())
		return f.Current().Name == "new"
	}, within, settle/10)
}

func TestAChangeThatOnePartRefusesIsTakenBackByTheOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write(t, path, "name: old")
	f, err := Open[sample](path)
	require.NoError(t, err)
	f.Log(slog.New(slog.DiscardHandler))
	inUse := "old"
	f.OnChange(func(_, changed *sample) error { inUse = changed.Name; return nil })
	f.OnChange(func(_, changed *sample) error {
		if changed.Name == "bad" {
			return errors.New("name: cannot change without a restart")
		}
		return nil
	})
	write(t, path, "name: bad")
	require.ErrorContains(t, f.Reload(), "cannot change without a restart")
	assert.Equal(t, "old", inUse)
	assert.Equal(t, "old", f.Current().Name)
	write(t, path, "name: good")
	require.NoError(t, f.Reload())
	assert.Equal(t, "good", inUse)
}
