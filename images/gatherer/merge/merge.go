// Package merge makes one answer of many: by what is built in, or by a container of the developer's.
//
// All of it is associative: what a parent makes of its leaves is a part of the level above, and merging parts of parts is the
// same as merging all leaves at once.
package merge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/trace"
)

// Request that the parts are answers to.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
	Deadline            time.Time
	// Span of the request; nil without traces.
	Span *trace.Span
	// Root: the answer is the client's, and not a part of a level above.
	Root bool
}

// Part is the answer of a child.
type Part struct {
	Child       string
	Shards      []int
	Status      int
	ContentType string
	// Header is nil where the merge has no use for it (see WantsHeaders).
	Header http.Header
	Body   []byte
}

// Answer is what came of it. The body is valid until Release, which may be nil.
type Answer struct {
	// Status is 200 where it is 0.
	Status      int
	ContentType string
	Header      http.Header
	Body        []byte
	Release     func()
}

// A Merger makes one answer of whole parts, which are in the order of their shards.
type Merger interface {
	Merge(ctx context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error)
}

// Stream is an answer that is still coming.
type Stream struct {
	Child       string
	Shards      []int
	ContentType string
	// Body is closed, if it is an io.Closer, when no more of it is wanted: a Read that waits must return then.
	Body io.Reader
}

// interrupt those who wait for more of streams.
func interrupt(streams []Stream) {
	for i := range streams {
		if c, ok := streams[i].Body.(io.Closer); ok {
			_ = c.Close() // nothing more is read
		}
	}
}

// A Sink takes what a Streamer makes. Failed and Coverage may be called while another goroutine writes.
type Sink interface {
	io.Writer
	// Header of the answer, until something is written.
	Header() http.Header
	Flush()
	// Failed tells that a stream broke off. If that gives an error, the answer is not worth going on with.
	Failed(index int, err error) error
	Coverage() contract.Coverage
}

// A Streamer makes one answer of parts while they come. An error means that what was written is no answer.
type Streamer interface {
	Stream(ctx context.Context, in *Request, streams []Stream, out Sink) error
}

// PartError says that one of the parts cannot be merged; the others may.
type PartError struct {
	Index int
	Err   error
}

func (e *PartError) Error() string { return e.Err.Error() }
func (e *PartError) Unwrap() error { return e.Err }

func partError(index int, format string, args ...any) error {
	return &PartError{Index: index, Err: fmt.Errorf(format, args...)}
}

// New gives the one of the two that a valid configuration means; the other is nil.
func New(c config.Merge, limits config.Limits) (Merger, Streamer) {
	switch {
	case c.Concat != nil:
		return nil, concat{separator: c.Concat.Separator}
	case c.JSONArray != nil:
		return jsonArray{items: newPath(c.JSONArray.Items)}, nil
	case c.TopK != nil:
		return newTopK(c.TopK), nil
	case c.Sum != nil:
		return sum{}, nil
	case c.Histogram != nil:
		return histogram{items: newPath(c.Histogram.Items), size: c.Histogram.Size}, nil
	case c.NDJSON != nil:
		return nil, newNDJSON(c.NDJSON, limits)
	case c.Container != nil && c.Container.Format == contract.FormatNDJSON:
		return nil, newStreamingContainer(c.Container, limits)
	default:
		return newContainer(c.Container, limits), nil
	}
}

// WantsHeaders tells whether a merge looks at the headers of parts.
func WantsHeaders(c config.Merge) bool {
	return c.Container != nil && c.Container.Format != contract.FormatNDJSON
}
