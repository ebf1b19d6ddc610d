package directory_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func bucket(path, query string) config.Sink {
	return config.Sink{Bucket: &config.Bucket{URL: "file://" + path + query, Prefix: "shop"}}
}

func TestABatchIsAFileAndNothingIsLeftBesideIt(t *testing.T) {
	root := t.TempDir()
	s := sinktest.Open(t, bucket(root, ""))
	require.NoError(t, s.Check(t.Context()))
	b := sinktest.Batch("sub/access.log", 0, sinktest.Lines(100)...)
	path := filepath.Join(root, "shop", b.Name+".log")

	// What a crash leaves in the middle of a write is taken up by the next attempt.
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), ".unfinished-"+filepath.Base(path)), bytes.Repeat([]byte("x"), 1<<20), 0o644))
	for range 2 {
		require.NoError(t, s.Write(t.Context(), b))
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		assert.Len(t, entries, 1)
		assert.Equal(t, map[string][]byte{"shop/" + b.Name + ".log": b.Records}, peers.Files(t, root))
	}
}

func TestADirectoryThatIsTakenAwayAndComesBack(t *testing.T) {
	root := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.Mkdir(root, 0o755))
	s := sinktest.Open(t, bucket(root, ""))
	b := sinktest.Batch("access.log", 0, "line")
	require.NoError(t, s.Write(t.Context(), b))
	require.NoError(t, os.RemoveAll(root))

	for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), b)} {
		require.ErrorContains(t, err, root)
		require.ErrorContains(t, err, "mount the volume")
		assert.True(t, sink.Permanent(err))
	}
	assert.NoDirExists(t, root, "a volume that is not mounted is not filled")

	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, s.Check(t.Context()))
	// The first write may find that what it knew of is gone; the next finds out anew.
	if s.Write(t.Context(), b) != nil {
		require.NoError(t, s.Write(t.Context(), b))
	}
	assert.Len(t, peers.Files(t, root), 1)

	made := filepath.Join(t.TempDir(), "a", "b")
	require.NoError(t, sinktest.Open(t, bucket(made, "?create_dir=true")).Write(t.Context(), b))
	assert.Len(t, peers.Files(t, made), 1)
}

func TestAFileInPlaceOfTheDirectoryIsPermanent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	err := sinktest.Open(t, bucket(file, "")).Write(t.Context(), sinktest.Batch("access.log", 0, "line"))
	require.ErrorContains(t, err, "not a directory")
	assert.True(t, sink.Permanent(err))
}

func TestAFullDiskIsTransientAndLeavesNoHalfFile(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(root, 0)) })
	s := sinktest.Open(t, bucket(root, ""))
	small, large := sinktest.Batch("a.log", 0, "line"), sinktest.Batch("b.log", 0, sinktest.Lines(20000)...)
	require.NoError(t, s.Write(t.Context(), small))
	err := s.Write(t.Context(), large)
	require.ErrorContains(t, err, "no space left")
	assert.False(t, sink.Permanent(err))
	assert.Len(t, peers.Files(t, root), 1)
	require.NoError(t, syscall.Mount("", root, "", syscall.MS_REMOUNT, "size=16m"))
	require.NoError(t, s.Write(t.Context(), large))
}

func TestAVolumeMountedForReadingIsPermanent(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(root, 0)) })
	s := sinktest.Open(t, bucket(root, ""))
	for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), sinktest.Batch("a.log", 0, "line"))} {
		require.ErrorContains(t, err, "mount the volume for writing")
		assert.True(t, sink.Permanent(err))
	}
}

func BenchmarkDirectory(b *testing.B) {
	for _, compression := range []string{"none", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			s := sinktest.Open(b, config.Sink{Bucket: &config.Bucket{URL: "file://" + b.TempDir(), Compression: compression}})
			line := string(bytes.Repeat([]byte("0123456789"), 10))[:99]
			lines := make([]string, 20000)
			for i := range lines {
				lines[i] = line
			}
			batch := sinktest.Batch("access.log", 0, lines...)
			begin := b.Elapsed()
			for b.Loop() {
				require.NoError(b, s.Write(b.Context(), batch))
			}
			b.ReportMetric(float64(b.N*len(lines))/(b.Elapsed()-begin).Seconds(), "lines/s")
		})
	}
}
