package wire

import (
	"context"
	"errors"
	"sync"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
)

// buckets that are open, by their URLs.
type buckets struct {
	mu  sync.Mutex
	all map[string]bucket.Bucket
}

func (b *buckets) open(ctx context.Context, url string) (bucket.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one, ok := b.all[url]; ok {
		return one, nil
	}
	one, err := bucket.Open(ctx, url)
	if err == nil {
		b.all[url] = one
	}
	return one, err
}

func (b *buckets) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var faults []error
	for _, one := range b.all {
		faults = append(faults, one.Close())
	}
	return errors.Join(faults...)
}
