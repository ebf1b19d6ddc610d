// Package bucket reads and writes object stores and directories, by URLs in the form of gocloud.dev/blob.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"time"
)

// Bucket is an object store or a directory. It is safe for concurrent use.
type Bucket interface {
	// Put writes an object whole or not at all; size is -1 where it is not known. The same name again replaces it.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Get opens an object and tells its size in bytes. ErrNotExist where there is none. A body that breaks off gives an
	// error and not its end.
	Get(ctx context.Context, name string) (body io.ReadCloser, size int64, err error)
	// List yields the objects whose names begin with a prefix and come after a name, in ascending order, byte by byte.
	// Pages are fetched as they are asked for. An error ends it.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]
	// Delete an object; that there is none is no error.
	Delete(ctx context.Context, name string) error
	Close() error
}

// Object of a bucket.
type Object struct {
	Name     string
	Size     int64 // in bytes
	Modified time.Time
}

// ErrNotExist is that of the standard library.
var ErrNotExist = fs.ErrNotExist

// A permanentError does not go away by trying again.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent tells whether an error stays until somebody changes something: no such bucket, access denied, a bad URL.
func Permanent(err error) bool {
	var p permanentError
	return errors.As(err, &p)
}

// Open a bucket. Nothing is asked of it yet, but that a directory can be made.
func Open(ctx context.Context, address string) (Bucket, error) {
	u, err := url.Parse(address)
	if err != nil { // its message would repeat what may be a password
		return nil, permanentError{errors.New("the URL of a bucket cannot be read")}
	}
	if u.User != nil {
		return nil, permanentError{fmt.Errorf("%s: the URL of a bucket must not hold credentials: give them as variables", u.Redacted())}
	}
	open, ok := schemes[u.Scheme]
	if !ok {
		return nil, permanentError{fmt.Errorf("%q is not the URL of a bucket: it must begin with s3://, gs://, azblob:// or file://", u.Redacted())}
	}
	return open(ctx, u)
}

var schemes = map[string]func(ctx context.Context, u *url.URL) (Bucket, error){
	"file": openFolder,
}
