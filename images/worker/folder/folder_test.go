package folder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func TestTheFileIsNamedAsTheItem(t *testing.T) {
	cases := []struct{ name, item, want string }{
		{name: "by its last segment", item: "a/b/photo.png", want: "photo.png"},
		{name: "never the folder above", item: "a/..", want: "item"},
		{name: "never nothing", item: "", want: "item"},
		{name: "without NUL", item: "a\x00b.png", want: "a_b.png"},
		{name: "a long one keeps its extension", item: strings.Repeat("x", 400) + ".png", want: strings.Repeat("x", 251) + ".png"},
		{name: "a long one is not cut within a letter", item: strings.Repeat("ä", 200) + ".png", want: strings.Repeat("ä", 125) + ".png"},
		{name: "a long extension is none", item: "a." + strings.Repeat("y", 400), want: "a." + strings.Repeat("y", 253)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, FileName(c.item))
			f, err := Make(filepath.Join(t.TempDir(), "item"), c.item)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(f.Input(), nil, 0o600))
			require.NoError(t, f.Remove())
		})
	}
}

func TestOutputs(t *testing.T) {
	cases := []struct {
		name string
		make func(t *testing.T, f *Folder)
		want []string
		says string
	}{
		{name: "none"},
		{name: "the folder may be gone", make: func(t *testing.T, f *Folder) { require.NoError(t, os.Remove(f.OutputDir())) }},
		{
			name: "the file and those of the folder",
			make: func(t *testing.T, f *Folder) {
				write(t, f.OutputFile())
				write(t, f.OutputDir()+"/b/c")
				write(t, f.OutputDir()+"/a")
			},
			want: []string{"dir/item", "dir/item/a", "dir/item/b/c"},
		},
		{name: "a link", make: func(t *testing.T, f *Folder) { require.NoError(t, os.Symlink("/etc/passwd", f.OutputFile())) }, says: "is a symbolic link"},
		{name: "a folder in the file's place", make: func(t *testing.T, f *Folder) { require.NoError(t, os.Mkdir(f.OutputFile(), 0o700)) }, says: "is a folder"},
		{name: "a name that is not UTF-8", make: func(t *testing.T, f *Folder) { write(t, f.OutputDir()+"/\xff") }, says: "not UTF-8"},
		{name: "a name with a line feed", make: func(t *testing.T, f *Folder) { write(t, f.OutputDir()+"/a\nb") }, says: "control characters"},
		{
			name: "a name that is too long",
			make: func(t *testing.T, f *Folder) { write(t, f.OutputDir()+strings.Repeat("/"+strings.Repeat("x", 200), 6)) },
			says: "more than 1024",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := Make(filepath.Join(t.TempDir(), "item"), "dir/item")
			require.NoError(t, err)
			if c.make != nil {
				c.make(t, f)
			}
			outputs, err := f.Outputs("dir/item")
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
			} else {
				require.NoError(t, err)
			}
			var names []string
			for _, o := range outputs {
				names = append(names, o.Name)
				file, err := o.Open()
				require.NoError(t, err)
				require.NoError(t, file.Close())
			}
			if c.says == "" {
				assert.Equal(t, c.want, names)
			}
			require.NoError(t, f.Remove())
			assert.NoDirExists(t, f.path)
		})
	}
}

func TestAnOutputThatBecomesALinkIsRefused(t *testing.T) {
	f, err := Make(filepath.Join(t.TempDir(), "item"), "item")
	require.NoError(t, err)
	write(t, f.OutputFile())
	outputs, err := f.Outputs("item")
	require.NoError(t, err)
	require.NoError(t, os.Remove(f.OutputFile()))
	require.NoError(t, os.Symlink("/etc/passwd", f.OutputFile()))
	_, err = outputs[0].Open()
	assert.Error(t, err)
}

func TestNames(t *testing.T) {
	assert.NoError(t, CheckName("a/b-ä.png"))
	for _, wrong := range []string{"", "/a", "a/", "a//b", ".", "a/../b", "a\x00", strings.Repeat("x", api.MaxNameBytes+1)} {
		assert.Error(t, CheckName(wrong), wrong)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
}
