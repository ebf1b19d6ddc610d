package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/s3"
)

func init() { schemes["s3"] = openS3 }

// object stores of Amazon, and of who speaks its protocol.
type objects struct {
	name   string
	core   *minio.Core
	put    minio.PutObjectOptions
	target string
}

// partBytes are held in memory for each object of unknown or large size that is being written.
const partBytes = 8 << 20

func openS3(_ context.Context, u *url.URL) (Bucket, error) {
	if u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, permanentError{fmt.Errorf("a bucket is written as s3://NAME?..., got %q", u.Redacted())}
	}
	o, err := s3.Parse(u.Query())
	if err != nil {
		return nil, permanentError{fmt.Errorf("s3://%s: %w", u.Host, err)}
	}
	if strings.Trim(o.Endpoint.Path, "/") != "" {
		return nil, permanentError{fmt.Errorf("s3://%s: an endpoint below a path is not supported here: %q", u.Host, o.Endpoint)}
	}
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	options := &minio.Options{Secure: o.Endpoint.Scheme == "https", Region: o.Region, BucketLookup: lookup, Creds: credentials.NewStaticV4("", "", "")}
	if !o.Anonymous {
		options.Creds = o.Credentials()
	}
	core, err := minio.NewCore(o.Endpoint.Host, options)
	if err != nil {
		return nil, permanentError{fmt.Errorf("s3://%s: %w", u.Host, err)}
	}
	core.SetAppInfo("container-patterns", "1")
	b := &objects{name: u.Host, core: core, target: "s3://" + u.Host, put: minio.PutObjectOptions{PartSize: partBytes, NumThreads: 1, ContentType: "application/octet-stream"}}
	switch o.Encryption {
	case "":
	case "AES256", "aws:kms":
		b.put.UserMetadata = map[string]string{"X-Amz-Server-Side-Encryption": o.Encryption}
		if o.KMSKey != "" {
			b.put.UserMetadata["X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"] = o.KMSKey
		}
	default:
		return nil, permanentError{fmt.Errorf("s3://%s: ssetype must be AES256 or aws:kms, got %q", u.Host, o.Encryption)}
	}
	return b, nil
}

// Codes of S3 that stay until somebody changes something.
var lasting = []string{
	"NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "PermanentRedirect", "AuthorizationHeaderMalformed",
	"InvalidBucketName", "InvalidToken", "XAdminUserNotFound", // the last is Versity's for an unknown key
}

func (b *objects) explain(doing, name string, err error) error {
	var said minio.ErrorResponse
	at := b.target
	if name != "" {
		at += "/" + name
	}
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &said):
		return fmt.Errorf("%s %s: %w", doing, at, err)
	case said.Code == "NoSuchKey" || said.Code == "" && said.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", doing, at, ErrNotExist)
	}
	err = fmt.Errorf("%s %s: %s: %s", doing, at, said.Code, said.Message)
	if slices.Contains(lasting, said.Code) || said.StatusCode == http.StatusForbidden {
		return permanentError{err}
	}
	return err
}

func (b *objects) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	_, err := b.core.Client.PutObject(ctx, b.name, name, reader{ctx, r}, size, b.put)
	return b.explain("write", name, err)
}

func (b *objects) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	body, info, _, err := b.core.GetObject(ctx, b.name, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, 0, b.explain("read", name, err)
	}
	return body, info.Size, nil
}

func (b *objects) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx) // who stops early leaves no request behind
		defer cancel()
		for o := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, StartAfter: after, Recursive: true, MaxKeys: 1000}) {
			if o.Err != nil {
				yield(Object{}, b.explain("list", "", o.Err))
				return
			}
			if strings.HasSuffix(o.Key, "/") && o.Size == 0 {
				continue // what consoles make as a folder
			}
			if !yield(Object{Name: o.Key, Size: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
	}
}

func (b *objects) Delete(ctx context.Context, name string) error {
	err := b.explain("delete", name, b.core.Client.RemoveObject(ctx, b.name, name, minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

func (b *objects) Close() error { return nil }
