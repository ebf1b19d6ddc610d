package wire

import (
	"os"
	"runtime/debug"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

// limitMemory bounds Go's heap by what the batches need, and by the container's limit. Most of it is buffers that live
// as long as the process, so letting the heap double before each collection, which is Go's habit, would only waste memory.
func limitMemory(c *config.Config, container int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	// Three batches are in memory, a fourth may be on its way from the spool; a sink has the compressed form of one.
	debug.SetMemoryLimit(min(container, 12<<20+5*int64(c.Batch.MaxBytes)))
}
