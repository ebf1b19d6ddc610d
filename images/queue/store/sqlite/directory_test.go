package sqlite

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// That it is durable is what the fault harness shows, with a disk that loses its power.
func TestTheDirectoryIsMadeWithThoseAboveIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		require.NoError(t, makeDirectory(path))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.ModeDir|0o700, info.Mode())
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorIs(t, makeDirectory(filepath.Join(file, "below")), syscall.ENOTDIR)
}
