package discover

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// lay makes files in a new directory, each a little younger than the one before it.
func lay(t *testing.T, names ...string) string {
	dir := t.TempDir()
	for i, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
		at := time.Unix(1_000_000_000+int64(i), 0)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	return dir
}

func TestScan(t *testing.T) {
	rotated := []string{".*", "-*"}
	tests := []struct {
		name  string
		files []string
		input config.Input
		want  []string // path, or path=rel where the file was rotated
	}{
		{
			name: "a fixed path", files: []string{"a.log", "b.log"},
			input: config.Input{Paths: []string{"a.log"}}, want: []string{"a.log"},
		},
		{
			name: "a glob, the oldest first", files: []string{"b.log", "a.log", "c.txt", "sub/d.log"},
			input: config.Input{Paths: []string{"*.log"}}, want: []string{"b.log", "a.log"},
		},
		{
			name: "a glob over directories", files: []string{"x/a.log", "y/a.log", "y/z/a.log"},
			input: config.Input{Paths: []string{"*/a.log"}}, want: []string{"x/a.log", "y/a.log"},
		},
		{
			name: "any depth", files: []string{"a.log", "x/a.log", "x/y/z/a.log"},
			input: config.Input{Paths: []string{"**/*.log"}}, want: []string{"a.log", "x/a.log", "x/y/z/a.log"},
		},
		{
			name: "what rotation put away belongs to the live file", files: []string{"a.log.2", "a.log.1", "a.log-20260101", "a.log", "a.logger"},
			input: config.Input{Paths: []string{"*.log"}, Rotated: rotated},
			want:  []string{"a.log.2=a.log", "a.log.1=a.log", "a.log-20260101=a.log", "a.log"},
		},
		{
			name: "compressed files are never read", files: []string{"a.log.1.gz", "a.log.2.zst", "a.log"},
			input: config.Input{Paths: []string{"a.log*"}, Rotated: rotated}, want: []string{"a.log"},
		},
		{
			name: "exclusion by base name and by path, of rotated files too", files: []string{"a.log", "debug.log", "debug.log.1", "x/a.log"},
			input: config.Input{Paths: []string{"**/*.log"}, Exclude: []string{"debug*", "$DIR/x/*"}, Rotated: rotated}, want: []string{"a.log"},
		},
		{
			name: "the saver's own files", files: []string{"a.log", "own/b.log"},
			input: config.Input{Paths: []string{"**/*.log"}}, want: []string{"a.log"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := lay(t, test.files...)
			for i, path := range test.input.Paths {
				test.input.Paths[i] = filepath.Join(dir, path)
			}
			for i, glob := range test.input.Exclude {
				test.input.Exclude[i] = strings.Replace(glob, "$DIR", dir, 1)
			}
			found, _ := Scan([]config.Input{test.input}, filepath.Join(dir, "own"))
			var got []string
			for _, file := range found {
				rel, err := filepath.Rel(dir, file.Path)
				require.NoError(t, err)
				if file.Rotated {
					rel += "=" + file.Rel
				}
				got = append(got, rel)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestScanTakesOnlyRegularFilesEachOnce(t *testing.T) {
	dir := lay(t, "a.log")
	require.NoError(t, os.Symlink(filepath.Join(dir, "a.log"), filepath.Join(dir, "link.log")))
	require.NoError(t, os.Link(filepath.Join(dir, "a.log"), filepath.Join(dir, "a.log.1")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "broken.log")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe.log"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir.log"), 0o700))
	found, dirs := Scan([]config.Input{{Paths: []string{filepath.Join(dir, "*.log")}, Rotated: []string{".*"}}})
	require.Len(t, found, 1)
	assert.False(t, found[0].Rotated)
	assert.Equal(t, []string{dir}, dirs)
}

func TestScanFollowsALinkToWhereItPointsNow(t *testing.T) {
	dir := lay(t, "first", "second")
	link := filepath.Join(dir, "current.log")
	input := []config.Input{{Paths: []string{link}}}
	require.NoError(t, os.Symlink("first", link))
	before, _ := Scan(input)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink("second", link))
	after, _ := Scan(input)
	require.Len(t, before, 1)
	require.Len(t, after, 1)
	assert.NotEqual(t, before[0].Key, after[0].Key)
}

func TestNamesFindsFilesByInode(t *testing.T) {
	dir := lay(t, "a.log")
	found, _ := Scan([]config.Input{{Paths: []string{filepath.Join(dir, "a.log")}}})
	require.NoError(t, os.Rename(filepath.Join(dir, "a.log"), filepath.Join(dir, "put-away")))
	names := Names([]string{dir}, map[follow.Key]bool{found[0].Key: true})
	assert.Equal(t, map[follow.Key]string{found[0].Key: filepath.Join(dir, "put-away")}, names)
}

func TestWatcherNoticesWhatComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	watcher, err := NewWatcher()
	require.NoError(t, err)
	defer watcher.Close()
	require.True(t, watcher.Watch([]string{dir}))
	require.False(t, watcher.Watch([]string{dir, filepath.Join(dir, "missing")}), "what is not there must be polled")
	notice := func(what string) {
		select {
		case <-watcher.C:
		case <-time.After(5 * time.Second):
			t.Fatalf("no notice of %s", what)
		}
	}
	path := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	notice("a new file")
	require.NoError(t, os.Rename(path, path+".1"))
	notice("a renamed file")
	require.NoError(t, os.Remove(path+".1"))
	notice("a removed file")
}
