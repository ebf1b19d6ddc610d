package memory

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimit(t *testing.T) {
	cases := []struct {
		name, content, env string
		want               int64
	}{
		{name: "a container's limit leaves a fifth for what Go does not count", content: "33554432\n", want: 26843545},
		{name: "cgroup v2 without a limit sets none", content: "max\n", want: 0},
		{name: "cgroup v1 without a limit sets none", content: "9223372036854771712\n", want: 0},
		{name: "a limit set by the environment stays", content: "33554432\n", env: "1GiB", want: math.MaxInt64},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := debug.SetMemoryLimit(-1)
			t.Cleanup(func() { debug.SetMemoryLimit(before) })
			path := filepath.Join(t.TempDir(), "memory.max")
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
			files := limitFiles
			limitFiles = []string{filepath.Join(t.TempDir(), "absent"), path}
			t.Cleanup(func() { limitFiles = files })
			t.Setenv("GOMEMLIMIT", c.env)
			assert.Equal(t, c.want, Limit())
		})
	}
}
