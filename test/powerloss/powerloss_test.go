package powerloss_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/test/powerloss"
)

// seeds are enough that each outcome of an even chance is seen.
const seeds = 12

func open(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f *os.File, text string) {
	t.Helper()
	_, err := f.WriteString(text)
	require.NoError(t, err)
}

func syncDirectory(t *testing.T, path string) {
	t.Helper()
	d := open(t, path, os.O_RDONLY)
	require.NoError(t, d.Sync())
}

// What a cut leaves of one file, or "none", seen over many seeds.
func TestACutLeavesWhatWasSynced(t *testing.T) {
	const old, newer = "what was there", "what came later"
	tests := []struct {
		name string
		do   func(t *testing.T, d *powerloss.Disk, path string)
		want []string
	}{
		{
			name: "a file that nobody synced is lost, or not",
			do: func(t *testing.T, _ *powerloss.Disk, path string) {
				write(t, open(t, path, os.O_CREATE|os.O_WRONLY), old)
			},
			want: []string{"none", old, "", string(make([]byte, len(old)))},
		},
		{
			name: "a synced file without its directory may have no name",
			do: func(t *testing.T, _ *powerloss.Disk, path string) {
				f := open(t, path, os.O_CREATE|os.O_WRONLY)
				write(t, f, old)
				require.NoError(t, f.Sync())
			},
			want: []string{"none", old},
		},
		{
			name: "a synced file in a synced directory is kept",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				f := open(t, path, os.O_CREATE|os.O_WRONLY)
				write(t, f, old)
				require.NoError(t, f.Sync())
				syncDirectory(t, d.Path)
			},
			want: []string{old},
		},
		{
			name: "a file that syncs each write is kept",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				write(t, open(t, path, os.O_CREATE|os.O_WRONLY|os.O_SYNC), old)
				syncDirectory(t, d.Path)
			},
			want: []string{old},
		},
		{
			name: "what is appended after the sync is lost, or not",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				f := open(t, path, os.O_CREATE|os.O_WRONLY)
				write(t, f, old)
				require.NoError(t, f.Sync())
				syncDirectory(t, d.Path)
				write(t, f, newer)
			},
			// The page may be kept without the size, and the size without the page.
			want: []string{old, old + newer, old + string(make([]byte, len(newer)))},
		},
		{
			name: "a rename without its directory is lost, or not, but the name is there",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				for file, text := range map[string]string{path: old, path + ".new": newer} {
					f := open(t, file, os.O_CREATE|os.O_WRONLY)
					write(t, f, text)
					require.NoError(t, f.Sync())
				}
				syncDirectory(t, d.Path)
				require.NoError(t, os.Rename(path+".new", path))
			},
			want: []string{old, newer},
		},
		{
			name: "a rename with its directory is kept",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				f := open(t, path+".new", os.O_CREATE|os.O_WRONLY)
				write(t, f, newer)
				require.NoError(t, f.Sync())
				require.NoError(t, os.Rename(path+".new", path))
				syncDirectory(t, d.Path)
			},
			want: []string{newer},
		},
		{
			name: "a removal without its directory is lost, or not",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				f := open(t, path, os.O_CREATE|os.O_WRONLY)
				write(t, f, old)
				require.NoError(t, f.Sync())
				syncDirectory(t, d.Path)
				require.NoError(t, os.Remove(path))
			},
			want: []string{"none", old},
		},
		{
			name: "what was cut off and not synced is there again, or not",
			do: func(t *testing.T, d *powerloss.Disk, path string) {
				f := open(t, path, os.O_CREATE|os.O_WRONLY)
				write(t, f, old)
				require.NoError(t, f.Sync())
				syncDirectory(t, d.Path)
				require.NoError(t, f.Truncate(4))
			},
			want: []string{old, old[:4], old[:4] + string(make([]byte, len(old)-4))},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := map[string]int{}
			for seed := range int64(seeds * len(tt.want)) {
				t.Run("", func(t *testing.T) {
					d := powerloss.Mount(t, seed)
					path := filepath.Join(d.Path, "file")
					tt.do(t, d, path)
					d.Cut()
					d.Restart(t)
					content, err := os.ReadFile(path)
					if os.IsNotExist(err) {
						content = []byte("none")
					} else {
						require.NoError(t, err)
					}
					require.Contains(t, tt.want, string(content))
					seen[string(content)]++
				})
			}
			if _, err := os.Stat("/dev/fuse"); err == nil && os.Geteuid() == 0 && !t.Failed() {
				for _, want := range tt.want[:min(2, len(tt.want))] {
					assert.Positive(t, seen[want], "never left: %q, of %v", want, seen)
				}
			}
		})
	}
}

func TestALargeWriteIsTornAtPages(t *testing.T) {
	torn := false
	for seed := int64(0); seed < 40 && !torn; seed++ {
		t.Run("", func(t *testing.T) {
			d := powerloss.Mount(t, seed)
			path := filepath.Join(d.Path, "file")
			f := open(t, path, os.O_CREATE|os.O_RDWR)
			write(t, f, string(bytes.Repeat([]byte("a"), 64<<10)))
			require.NoError(t, f.Sync())
			syncDirectory(t, d.Path)
			_, err := f.WriteAt(bytes.Repeat([]byte("b"), 64<<10), 0)
			require.NoError(t, err)
			d.Cut()
			d.Restart(t)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Len(t, content, 64<<10)
			for page := range 16 {
				of := content[page*4096 : (page+1)*4096]
				require.Equal(t, 4096, bytes.Count(of, of[:1]), "page %d is of two times", page)
				torn = torn || of[0] != content[0]
			}
		})
		if t.Failed() || seed == 0 && (os.Geteuid() != 0) {
			return
		}
	}
	assert.True(t, torn)
}

func TestAfterACutNothingCanBeDoneUntilTheRestart(t *testing.T) {
	d := powerloss.Mount(t, 1)
	path := filepath.Join(d.Path, "file")
	f := open(t, path, os.O_CREATE|os.O_RDWR)
	write(t, f, "x")
	d.Cut()
	_, err := f.WriteString("y")
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	_, err = os.Create(filepath.Join(d.Path, "other"))
	require.ErrorIs(t, err, syscall.EIO)
	d.Restart(t)
	_, err = os.Create(filepath.Join(d.Path, "other"))
	require.NoError(t, err)
	_, err = f.WriteString("z")
	require.ErrorIs(t, err, syscall.EIO, "a file of before the cut")
	assert.Equal(t, 1, d.Stats().Cuts)
}

func TestAFullDiskTakesOnlyWhatNeedsNoRoom(t *testing.T) {
	d := powerloss.Mount(t, 1)
	f := open(t, filepath.Join(d.Path, "file"), os.O_CREATE|os.O_RDWR)
	write(t, f, "0123456789")
	d.SetFull(true)
	_, err := f.WriteString("more")
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, err = os.Create(filepath.Join(d.Path, "other"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, err = f.WriteAt([]byte("abc"), 0)
	require.NoError(t, err)
	content, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	assert.Equal(t, "abc3456789", string(content))
	d.SetFull(false)
	_, err = f.WriteAt([]byte("more"), 10)
	require.NoError(t, err)
}

// Names, links and directories behave as on other file systems, also after a cut of what was synced.
func TestTheTreeOutlivesACutIfAllOfItIsSynced(t *testing.T) {
	d := powerloss.Mount(t, 1)
	at := func(parts ...string) string { return filepath.Join(append([]string{d.Path}, parts...)...) }
	require.NoError(t, os.MkdirAll(at("a", "b"), 0o755))
	require.NoError(t, os.WriteFile(at("a", "b", "file"), []byte("content"), 0o640))
	require.NoError(t, os.Link(at("a", "b", "file"), at("a", "hard")))
	require.NoError(t, os.Symlink("b/file", at("a", "soft")))
	require.NoError(t, os.Rename(at("a", "b"), at("a", "c")))
	require.ErrorIs(t, os.Remove(at("a")), syscall.ENOTEMPTY)
	f := open(t, at("a", "c", "file"), os.O_RDWR)
	require.NoError(t, f.Sync())
	for _, path := range []string{at("a", "c"), at("a"), at()} {
		syncDirectory(t, path)
	}
	d.Cut()
	d.Restart(t)
	for _, path := range []string{at("a", "c", "file"), at("a", "hard")} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "content", string(content))
	}
	first, err := os.Stat(at("a", "c", "file"))
	require.NoError(t, err)
	second, err := os.Stat(at("a", "hard"))
	require.NoError(t, err)
	assert.True(t, os.SameFile(first, second))
	assert.Equal(t, os.FileMode(0o640), first.Mode())
	target, err := os.Readlink(at("a", "soft"))
	require.NoError(t, err)
	assert.Equal(t, "b/file", target)
	_, err = os.Stat(at("a", "b"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestMountsOfDeadProcessesAreTakenAway(t *testing.T) {
	d := powerloss.Mount(t, 1) // skips
	if path := os.Getenv("POWERLOSS_LEAVE"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(d.Path), 0o600))
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	note := filepath.Join(t.TempDir(), "path")
	child := exec.Command(os.Args[0], "-test.run=^TestMountsOfDeadProcessesAreTakenAway$") //nolint:gosec // this test
	child.Env = append(os.Environ(), "POWERLOSS_LEAVE="+note)
	require.Error(t, child.Run(), "it was killed")
	left, err := os.ReadFile(note)
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(filepath.Dir(string(left)))) })
	mounts := func() string {
		content, err := os.ReadFile("/proc/self/mountinfo")
		require.NoError(t, err)
		return string(content)
	}
	require.Contains(t, mounts(), " "+string(left)+" ")
	powerloss.Mount(t, 1)
	assert.NotContains(t, mounts(), " "+string(left)+" ")
}
