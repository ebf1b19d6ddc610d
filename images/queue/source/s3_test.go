package source

import (
	"context"
	"io"
	"iter"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// s3 is a bucket of a real server, whose lists can break off.
type s3 struct {
	*peers.S3
	t      *testing.T
	mu     sync.Mutex
	bucket string
	lists  int
	breaks bool // after each thousand of names
}

func newS3(t *testing.T) *s3 {
	t.Helper()
	server := peers.Versitygw(t)
	server.Setenv(t)
	server.MakeBucket(t, "inbox")
	return &s3{S3: server, t: t, bucket: "inbox"}
}

func (s *s3) open() bucket.Bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := bucket.Open(s.t.Context(), s.URL(s.bucket))
	require.NoError(s.t, err)
	return b
}

func (s *s3) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Object, error] {
	s.lists++
	return func(yield func(bucket.Object, error) bool) {
		n := 0
		for o, err := range s.open().List(ctx, prefix, after) {
			if n++; s.breaks && n > 1000 {
				yield(bucket.Object{}, io.ErrUnexpectedEOF)
				return
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func (s *s3) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	return s.open().Get(ctx, name)
}

func (s *s3) remove(name string) { require.NoError(s.t, s.open().Delete(context.Background(), name)) }
