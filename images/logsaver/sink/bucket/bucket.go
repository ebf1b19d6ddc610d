// Package bucket stores each batch as one object under the batch's own name, so that a batch that comes again replaces itself.
package bucket

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/azure"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/compress"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/directory"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/gcs"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/s3"
)

// A Store keeps objects.
type Store interface {
	// Put stores an object, whole or not at all, in place of one that has its key.
	Put(ctx context.Context, key string, content []byte, contentType string) error
	// Check tells whether Put could succeed, as far as can be told without it.
	Check(ctx context.Context) error
	Close() error
}

// A Bucket writes batches to a store.
type Bucket struct {
	store      Store
	prefix     string
	compressor *compress.Compressor
}

// New makes the bucket that a URL names.
func New(c config.Bucket) (*Bucket, error) {
	store, err := open(c.URL)
	if err != nil {
		return nil, fmt.Errorf("bucket.url: %w", err)
	}
	compressor, err := compress.New(c.Compression)
	if err != nil {
		return nil, fmt.Errorf("bucket.%w", err)
	}
	prefix := c.Prefix
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return &Bucket{store: store, prefix: prefix, compressor: compressor}, nil
}

func open(text string) (Store, error) {
	address, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch address.Scheme {
	case "file":
		return directory.Open(address)
	case "s3":
		return s3.Open(address)
	case "gs":
		return gcs.Open(address)
	case "azblob":
		return azure.Open(address)
	}
	return nil, fmt.Errorf("scheme must be s3, gs, azblob or file, got %q", address.Scheme)
}

// Key is the object's name for a batch.
func (b *Bucket) Key(name string) string { return b.prefix + name + ".log" + b.compressor.Extension }

// Write stores a batch.
func (b *Bucket) Write(ctx context.Context, of *batch.Batch) error {
	content, err := b.compressor.Compress(of.Records)
	if err != nil {
		return fmt.Errorf("compress %s: %w", of.Name, err)
	}
	return b.store.Put(ctx, b.Key(of.Name), content, b.compressor.Type)
}

// Check asks the store.
func (b *Bucket) Check(ctx context.Context) error { return b.store.Check(ctx) }

// Close closes the store.
func (b *Bucket) Close() error { return b.store.Close() }
