package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheHarnessStepsTheWallClock(t *testing.T) {
	assert.WithinDuration(t, time.Now(), wall(), time.Minute)
	stepFile = filepath.Join(t.TempDir(), "step")
	t.Cleanup(func() { stepFile = "" })
	assert.WithinDuration(t, time.Now(), wall(), time.Minute, "no file, no step")
	require.NoError(t, os.WriteFile(stepFile, []byte("-1h\n"), 0o600))
	assert.WithinDuration(t, time.Now().Add(-time.Hour), wall(), time.Minute)
	c := New()
	assert.WithinDuration(t, time.Now().Add(-time.Hour), c.Now(), time.Minute)
}
