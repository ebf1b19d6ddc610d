// Package sink is where the log saver's batches end: an object store or a directory, an HTTP server, Loki, a syslog server.
//
// Buckets have the URLs of gocloud.dev/blob (s3://, gs://, azblob://, file://), and not its drivers: a process that only links its three cloud drivers has a resident memory of 33 MiB before its first line (66 MB of binary; gRPC, Envoy's and OpenTelemetry's messages register themselves at the start), which is more than the saver may use altogether, and its directory driver does not sync what it acknowledges. An object is one PUT in all three clouds, so the packages below this one send that PUT with net/http.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/loki"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/ndjson"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/syslog"
)

// backend is one kind of sink.
type backend interface {
	Write(ctx context.Context, b *batch.Batch) error
	Check(ctx context.Context) error
	io.Closer
}

// A Sink takes batches. Write and Check are called from one goroutine at a time; Close from any.
type Sink struct {
	backend
	timeout time.Duration

	mu        sync.Mutex
	notBefore time.Time // the other side asked to be left alone until then
	asked     error     // with this answer
}

// New makes the sink that the configuration names. It connects to nothing: a sink that is away or wrong is found by Check and Write. Its errors are faults of the configuration.
func New(_ context.Context, c *config.Config) (*Sink, error) {
	var b backend
	var err error
	switch {
	case c.Sink.Bucket != nil:
		b, err = bucket.New(*c.Sink.Bucket)
	case c.Sink.HTTP != nil:
		b, err = ndjson.New(*c.Sink.HTTP)
	case c.Sink.Loki != nil:
		b, err = loki.New(*c.Sink.Loki, map[string]string{
			"pattern": c.Pattern, "instance": c.Instance, "namespace": c.Namespace, "container": c.Container,
		})
	case c.Sink.Syslog != nil:
		b, err = syslog.New(*c.Sink.Syslog)
	default:
		err = errors.New("exactly one of bucket, http, loki and syslog is required")
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return &Sink{backend: b, timeout: time.Duration(c.Sink.Timeout)}, nil
}

// Write stores a batch; when it returns nil, the batch is safe. See Permanent for its errors.
func (s *Sink) Write(ctx context.Context, b *batch.Batch) error {
	return s.attempt(ctx, func(ctx context.Context) error { return s.backend.Write(ctx, b) })
}

// Check tells whether the sink could be written to, as far as can be told without writing.
func (s *Sink) Check(ctx context.Context) error { return s.attempt(ctx, s.backend.Check) }

// attempt gives one attempt its time, and leaves the other side alone for as long as it has asked for.
func (s *Sink) attempt(ctx context.Context, run func(context.Context) error) error {
	s.mu.Lock()
	notBefore, asked := s.notBefore, s.asked
	s.mu.Unlock()
	if wait := time.Until(notBefore); wait > 0 {
		return fmt.Errorf("left alone for another %s, as it asked: %w", wait.Round(time.Second), asked)
	}
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	err := run(ctx)
	if wait := fault.RetryAfter(err); wait > 0 {
		s.mu.Lock()
		s.notBefore, s.asked = time.Now().Add(wait), err
		s.mu.Unlock()
	}
	return err
}

// Permanent tells whether an error of Write or Check will not go away by itself: a missing bucket, refused credentials.
func Permanent(err error) bool { return fault.Permanent(err) }

// RetryAfter tells how long the other side has asked to be left alone; 0 if it has not. Attempts before that end at once, with the same error.
func RetryAfter(err error) time.Duration { return fault.RetryAfter(err) }
