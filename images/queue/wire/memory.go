package wire

import (
	"os"
	"runtime/debug"
)

// limitMemory keeps Go's heap where the server stays within 64 MiB resident, its code and SQLite's cache included.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(40 << 20)
	}
}
