package source

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// s3 is a bucket of a real server, asked in the plainest way.
type s3 struct {
	*peers.S3
	t      *testing.T
	mu     sync.Mutex
	bucket string
	lists  int
	breaks bool
}

func newS3(t *testing.T) *s3 {
	t.Helper()
	server := peers.Versitygw(t)
	server.MakeBucket(t, "inbox")
	return &s3{S3: server, t: t, bucket: "inbox"}
}

func (s *s3) do(ctx context.Context, method, key string, query url.Values) (*http.Response, error) {
	s.mu.Lock()
	u := url.URL{Path: "/" + s.bucket + "/" + key, RawQuery: query.Encode()}
	s.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, method, s.Endpoint+u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") // of nothing
	response, err := http.DefaultClient.Do(signer.SignV4(*request, s.AccessKey, s.SecretKey, "", s.Region))
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return response, nil
	case http.StatusNotFound:
		response.Body.Close()
		return nil, bucket.ErrNotExist
	}
	response.Body.Close()
	return nil, fmt.Errorf("%s %s: %s", method, u.String(), response.Status)
}

func (s *s3) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Object, error] {
	const page = 1000
	return func(yield func(bucket.Object, error) bool) {
		for {
			objects, err := s.page(ctx, prefix, after, page)
			if err != nil {
				yield(bucket.Object{}, err)
				return
			}
			for _, o := range objects {
				if after = o.Name; !yield(o, nil) {
					return
				}
			}
			if len(objects) < page {
				return
			}
		}
	}
}

func (s *s3) page(ctx context.Context, prefix, after string, limit int) ([]bucket.Object, error) {
	if s.lists++; s.breaks && s.lists%2 == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	response, err := s.do(ctx, http.MethodGet, "", url.Values{
		"list-type": {"2"}, "prefix": {prefix}, "start-after": {after}, "max-keys": {fmt.Sprint(limit)},
	})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Contents []struct {
			Key  string
			Size int64
		}
	}
	if err := xml.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	out := make([]bucket.Object, len(answer.Contents))
	for i, c := range answer.Contents {
		out[i] = bucket.Object{Name: c.Key, Size: c.Size}
	}
	return out, nil
}

func (s *s3) remove(name string) {
	response, err := s.do(context.Background(), http.MethodDelete, name, nil)
	require.NoError(s.t, err)
	response.Body.Close()
}
