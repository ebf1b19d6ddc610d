// Package imagetest runs the programs of images as processes, for tests of them.
package imagetest

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Build is programs in one folder.
type Build struct {
	made func() (string, error)
	dir  string
}

// Compile main packages as images have them, once, when the first of them is needed. Each becomes a file that is named like its
// folder.
func Compile(packages ...string) *Build {
	b := &Build{}
	b.made = sync.OnceValues(func() (dir string, err error) {
		if b.dir, err = os.MkdirTemp("", "image"); err != nil {
			return "", err
		}
		build := exec.Command("go", append([]string{"build", "-o", b.dir + "/"}, packages...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return b.dir, nil
	})
	return b
}

// Folder that the programs are in.
func (b *Build) Folder(t testing.TB) string {
	t.Helper()
	dir, err := b.made()
	require.NoError(t, err)
	return dir
}

// Main is TestMain: it runs the tests, and removes what was compiled.
func (b *Build) Main(m *testing.M) {
	code := m.Run()
	if b.dir != "" {
		_ = os.RemoveAll(b.dir) // nobody needs to know
	}
	os.Exit(code)
}
