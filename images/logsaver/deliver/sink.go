package deliver

import (
	"context"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
)

// A Sink is where batches end. Its methods are called from one goroutine, except Close.
type Sink interface {
	// Write returns once the batch is stored: what it acknowledges is never sent again. A batch may come twice, under
	// the same name and with the same records; where the sink has names, the second replaces the first. It keeps no
	// reference to the batch after its return, and returns when ctx ends.
	Write(ctx context.Context, b *batch.Batch) error
	// Check tells whether the sink could be written to: the bucket is there, the credentials are good.
	Check(ctx context.Context) error
	// Close frees what the sink holds.
	Close() error
}
