package directory_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// What is on a disk when its power goes is what a copy of its image holds, made without asking anybody to sync.
func TestWhatIsAcknowledgedSurvivesAPowerCut(t *testing.T) {
	dir := t.TempDir()
	image, volume := filepath.Join(dir, "disk"), filepath.Join(dir, "volume")
	require.NoError(t, os.Mkdir(volume, 0o755))
	file, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(64<<20))
	require.NoError(t, file.Close())
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("no ext4 here: %v %s", err, out)
	}
	mount(t, image, volume)

	s := sinktest.Open(t, config.Sink{Bucket: &config.Bucket{URL: "file://" + volume}})
	b := sinktest.Batch("sub/access.log", 0, sinktest.Lines(20000)...)
	require.NoError(t, s.Write(t.Context(), b))
	// What nobody has synced is what a power cut takes; without it, this test would prove nothing.
	require.NoError(t, os.WriteFile(filepath.Join(volume, "unsynced"), b.Records, 0o644))

	after, copied := filepath.Join(dir, "after"), filepath.Join(dir, "disk-after")
	require.NoError(t, os.Mkdir(after, 0o755))
	copyFile(t, image, copied)
	mount(t, copied, after)
	found := peers.Files(t, filepath.Join(after, "web-0"))
	assert.Len(t, found, 1)
	for name, content := range found {
		assert.Contains(t, b.Name, filepath.Dir(name))
		assert.Equal(t, string(b.Records), string(content))
	}
	unsynced, _ := os.ReadFile(filepath.Join(after, "unsynced"))
	assert.NotEqual(t, string(b.Records), string(unsynced))
}

func mount(t *testing.T, image, at string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
		t.Skipf("mounting needs root and loop devices: %v %s", err, out)
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", at).CombinedOutput()
		assert.NoError(t, err, string(out))
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	require.NoError(t, err)
	defer source.Close()
	target, err := os.Create(to)
	require.NoError(t, err)
	defer target.Close()
	_, err = io.Copy(target, source)
	require.NoError(t, err)
}
