package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Ref begins the reference of an item whose content stays in the bucket.
const Ref = "source:"

// Bucket is what is needed of bucket.Bucket.
type Bucket interface {
	List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Object, error]
	Get(ctx context.Context, name string) (body io.ReadCloser, size int64, err error)
}

// listTries is how often the list is gone on with after an error that may pass: a look at millions of objects takes
// thousands of pages, and one that fails must not be the end of it.
const listTries = 5

// ErrGone says that an object is no longer in the bucket: it does not come back by trying again.
var ErrGone = errors.New("the object is gone")

// bucket makes an item of each object. Its name is the object's without the prefix; an object that is written again under
// its name is no new item.
func (l *looking) bucket(ctx context.Context, firstLook bool) error {
	from := l.feed.bucket
	b, err := l.r.open(from.URL)
	if err != nil {
		return err
	}
	l.content = func(_ context.Context, f found) (store.Payload, error) {
		return store.Payload{Ref: Ref + f.name, Size: f.size}, nil
	}
	after, err := l.begin(ctx, firstLook)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		var failed error
		for o, err := range b.List(ctx, from.Prefix, after) {
			if err != nil {
				failed = fmt.Errorf("list the objects after %q: %w", after, err)
				break
			}
			try, after = 1, o.Name
			item := strings.TrimPrefix(strings.TrimPrefix(o.Name, from.Prefix), "/")
			if item == "" || strings.HasSuffix(item, "/") && o.Size == 0 {
				continue // what consoles make to show a folder
			}
			if err := l.offer(ctx, found{name: o.Name, item: item, size: o.Size}); err != nil {
				return err
			}
		}
		switch {
		case failed == nil:
			return l.end(ctx)
		case try == listTries, bucket.Permanent(failed), ctx.Err() != nil:
			return failed
		}
		select {
		case <-ctx.Done():
		case <-l.r.after(time.Duration(try) * pauseMin / 2):
		}
	}
}

// Open reads the content behind a reference that begins with Ref. ErrGone if there is no such object any more.
func (r *Reader) Open(ctx context.Context, ref string) (io.ReadCloser, error) {
	name, ok := strings.CutPrefix(ref, Ref)
	if !ok {
		return nil, fmt.Errorf("%q is no reference to an object of the source", ref)
	}
	from := r.current().Input.Bucket
	if from == nil {
		return nil, fmt.Errorf("%w: %q was found in a bucket, and source.bucket is no longer configured", ErrGone, name)
	}
	b, err := r.open(from.URL)
	if err != nil {
		return nil, err
	}
	content, _, err := b.Get(ctx, name)
	if errors.Is(err, bucket.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q is no longer in the bucket %s that it was found in", ErrGone, name, from.URL)
	}
	if err != nil {
		return nil, fmt.Errorf("open the object %q of the source: %w", name, err)
	}
	return content, nil
}

// open a bucket, or take the one that is open.
func (r *Reader) open(url string) (Bucket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.buckets[url]; b != nil {
		return b, nil
	}
	b, err := r.o.Bucket(url)
	if err != nil {
		return nil, fmt.Errorf("source.bucket.url: %w", err)
	}
	r.buckets[url] = b
	return b, nil
}
