package folder

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyFoldersThatAreAsNewAreUsedAgain(t *testing.T) {
	cases := []struct {
		name  string
		after func(t *testing.T, f *Folder)
		again bool
	}{
		{"nothing was made", func(*testing.T, *Folder) {}, true},
		{"the input and the output are taken away", func(t *testing.T, f *Folder) { write(t, f.Input()); write(t, f.OutputFile()) }, true},
		{"something else is left", func(t *testing.T, f *Folder) { write(t, f.path+"/file/other") }, false},
		{"outputs are left", func(t *testing.T, f *Folder) { write(t, f.OutputDir()+"/a") }, false},
		{"a hidden file is left beside the input", func(t *testing.T, f *Folder) { write(t, f.path+"/in/.lock") }, false},
		{"a folder cannot be written any more", func(t *testing.T, f *Folder) { require.NoError(t, os.Chmod(f.OutputDir(), 0o500)) }, false},
		{"a folder is gone", func(t *testing.T, f *Folder) { require.NoError(t, os.Remove(f.OutputDir())) }, false},
		{"a folder has become a link", func(t *testing.T, f *Folder) {
			require.NoError(t, os.Remove(f.OutputDir()))
			require.NoError(t, os.Symlink(t.TempDir(), f.OutputDir()))
		}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root, pool := t.TempDir(), &Pool{}
			first, err := pool.Make(filepath.Join(root, "item-1"), "a.png")
			require.NoError(t, err)
			held, err := os.Open(first.path) // so that its number is not given to another
			require.NoError(t, err)
			defer held.Close()
			before, err := held.Stat()
			require.NoError(t, err)
			c.after(t, first)
			require.NoError(t, pool.Done(first))
			second, err := pool.Make(filepath.Join(root, "item-2"), "b.jpg")
			require.NoError(t, err)
			assert.NoFileExists(t, first.Input())
			assert.NoDirExists(t, first.path, "its old name leads nowhere")
			after, err := os.Stat(second.path)
			require.NoError(t, err)
			assert.Equal(t, c.again, os.SameFile(before, after))
			for _, dir := range []string{second.path + "/in", second.path + "/file", second.OutputDir()} {
				entries, err := os.ReadDir(dir)
				require.NoError(t, err)
				assert.Empty(t, entries)
			}
			assert.Equal(t, second.path+"/in/b.jpg", second.Input())
		})
	}
}

func TestNotAllFoldersAreKept(t *testing.T) {
	root, pool := t.TempDir(), &Pool{}
	var all []*Folder
	for i := range maxFree + 10 {
		f, err := pool.Make(filepath.Join(root, "item-"+strconv.Itoa(i)), "a")
		require.NoError(t, err)
		all = append(all, f)
	}
	for _, f := range all {
		require.NoError(t, pool.Done(f))
	}
	left, err := os.ReadDir(root)
	require.NoError(t, err)
	assert.Len(t, left, maxFree)
}
