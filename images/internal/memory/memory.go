// Package memory tells Go's collector how much the container may use, so that a limit is met by collecting more often and not by being killed.
package memory

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// share leaves room for what Go's limit does not count: the binary's own pages, thread stacks, the kernel's buffers.
const share = 0.8

// limitFiles are where cgroup v2 and v1 say what a container may use.
var limitFiles = []string{
	"/sys/fs/cgroup/memory.max",
	"/sys/fs/cgroup/memory/memory.limit_in_bytes",
}

// Limit sets Go's soft limit from the container's, unless GOMEMLIMIT has set it already. It returns the soft limit in bytes, 0 for none.
func Limit() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1)
	}
	for _, path := range limitFiles {
		if limit := read(path); limit > 0 {
			soft := int64(float64(limit) * share)
			debug.SetMemoryLimit(soft)
			return soft
		}
	}
	return 0
}

func read(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || limit <= 0 || limit > 1<<50 { // v2 says "max", v1 says a huge number
		return 0
	}
	return limit
}
