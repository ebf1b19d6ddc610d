package source

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/payload"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Bucket is what is needed of bucket.Bucket.
type Bucket interface {
	List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Object, error]
}

// listTries is how often the list is gone on with after an error that may pass: a look at millions of objects takes
// thousands of pages, and one that fails must not be the end of it.
const listTries = 5

// bucket makes an item of each object, whose content stays where it is. Its name is the object's without the prefix; an
// object that is written again under its name is no new item.
func (l *looking) bucket(ctx context.Context, firstLook bool) error {
	from := l.feed.bucket
	b, err := l.r.o.Bucket(from.URL)
	if err != nil {
		return fmt.Errorf("source.bucket.url: %w", err)
	}
	l.content = func(_ context.Context, f found) (store.Payload, error) {
		return store.Payload{Ref: payload.Source + f.name, Size: f.size}, nil
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
