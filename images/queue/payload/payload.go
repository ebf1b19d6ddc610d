// Package payload keeps what items and outputs are made of: in the store itself where it is small, else as objects of a
// bucket. What it has answered survives a power cut before anything refers to it.
package payload

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Beginnings of references.
const (
	Blob   = "blob:"
	Source = "source:"
)

// blobName is "2026112106/0123456789abcdef...": the hour in which it was made, for the collection.
var blobName = regexp.MustCompile(`^[0-9]{10}/[0-9a-f]{32}$`)

// Options of a Keeper.
type Options struct {
	// Bucket keeps the blobs, their names beginning with Prefix.
	Bucket bucket.Bucket
	Prefix string
	// Inline is the size in bytes up to which content stays in the store.
	Inline func() int
	// Source opens an object of the bucket that is the pipeline's source. bucket.ErrNotExist.
	Source func(ctx context.Context, name string) (io.ReadCloser, int64, error)
	Now    func() time.Time
}

// A Keeper is safe for concurrent use.
type Keeper struct{ o Options }

// New makes a Keeper.
func New(o Options) *Keeper { return &Keeper{o} }

// Keep takes content: small content into the payload itself, other content into a blob. Memory is bounded.
func (k *Keeper) Keep(ctx context.Context, r io.Reader) (store.Payload, error) {
	limit := k.o.Inline()
	head, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return store.Payload{}, err
	}
	if len(head) <= limit {
		return store.Payload{Data: head, Size: int64(len(head))}, nil
	}
	p, _, err := k.Upload(ctx, io.MultiReader(bytes.NewReader(head), r))
	return p, err
}

// Upload takes content as a blob, and tells its SHA-256 in hexadecimal.
func (k *Keeper) Upload(ctx context.Context, r io.Reader) (store.Payload, string, error) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	name := k.o.Now().UTC().Format(hour) + "/" + hex.EncodeToString(random[:])
	sum := sha256.New()
	counted := &counter{Reader: io.TeeReader(r, sum)}
	if err := k.o.Bucket.Put(ctx, k.o.Prefix+name, counted, -1); err != nil {
		return store.Payload{}, "", space(err)
	}
	return store.Payload{Ref: Blob + name, Size: counted.n}, hex.EncodeToString(sum.Sum(nil)), nil
}

const hour = "2006010215"

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// Find the payload of a blob that somebody has uploaded. store.ErrNotFound, also for references to anything but blobs, and
// for those that were uploaded so long ago that the collection may take them.
func (k *Keeper) Find(ctx context.Context, ref string) (store.Payload, error) {
	name, ok := strings.CutPrefix(ref, Blob)
	if !ok || !blobName.MatchString(name) || name < k.o.Now().UTC().Add(-uploadTime).Format(hour) {
		return store.Payload{}, store.ErrNotFound
	}
	body, size, err := k.o.Bucket.Get(ctx, k.o.Prefix+name)
	if err != nil {
		return store.Payload{}, missing(err)
	}
	body.Close()
	return store.Payload{Ref: ref, Size: size}, nil
}

// Open content. store.ErrNotFound where it is gone. The result tells its Size in bytes, -1 where it is not known.
func (k *Keeper) Open(ctx context.Context, p store.Payload) (io.ReadCloser, error) {
	if p.Ref == "" {
		return &sized{ReadCloser: io.NopCloser(bytes.NewReader(p.Data)), size: int64(len(p.Data))}, nil
	}
	var body io.ReadCloser
	var size int64
	err := store.ErrNotFound
	if name, ok := strings.CutPrefix(p.Ref, Blob); ok && blobName.MatchString(name) {
		body, size, err = k.o.Bucket.Get(ctx, k.o.Prefix+name)
	} else if name, ok := strings.CutPrefix(p.Ref, Source); ok {
		body, size, err = k.o.Source(ctx, name)
	}
	if err != nil {
		return nil, missing(err)
	}
	return &sized{ReadCloser: body, size: size}, nil
}

type sized struct {
	io.ReadCloser
	size int64
}

// Size in bytes; -1 where it is not known.
func (s *sized) Size() int64 { return s.size }

func missing(err error) error {
	if errors.Is(err, bucket.ErrNotExist) {
		return store.ErrNotFound
	}
	return err
}

// Store is what the collection needs of store.Store.
type Store interface {
	Referenced(ctx context.Context, refs []string) (map[string]bool, error)
}

// Times of the collection.
const (
	// uploadTime is how long an upload has to be referred to, counted from the end of its hour at the least.
	uploadTime   = time.Hour
	collectEvery = 30 * time.Minute
	collectBatch = 500
)

// Run collects, until the context ends, blobs that nothing refers to. One server at a time should.
func (k *Keeper) Run(ctx context.Context, s Store, log *slog.Logger) {
	for {
		if n, err := k.Collect(ctx, s); err != nil && ctx.Err() == nil {
			log.Warn("blobs not collected", "error", err.Error())
		} else if n > 0 {
			log.Info("blobs collected that nothing refers to", "blobs", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(collectEvery):
		}
	}
}

// Collect deletes blobs that are older than an upload may be and that nothing refers to, and tells their number.
func (k *Keeper) Collect(ctx context.Context, s Store) (deleted int, err error) {
	before := k.o.Now().UTC().Add(-uploadTime - time.Hour).Format(hour)
	var batch []string
	flush := func() error {
		used, err := s.Referenced(ctx, batch)
		if err != nil {
			return err
		}
		for _, ref := range batch {
			if used[ref] {
				continue
			}
			if err := k.o.Bucket.Delete(ctx, k.o.Prefix+strings.TrimPrefix(ref, Blob)); err != nil {
				return err
			}
			deleted++
		}
		batch = batch[:0]
		return nil
	}
	for object, err := range k.o.Bucket.List(ctx, k.o.Prefix, "") {
		if err != nil {
			return deleted, fmt.Errorf("list blobs: %w", err)
		}
		name := strings.TrimPrefix(object.Name, k.o.Prefix)
		if !blobName.MatchString(name) {
			continue
		}
		if made, _, _ := strings.Cut(name, "/"); made >= before {
			break // they are in the order of their hours
		}
		if batch = append(batch, Blob+name); len(batch) == collectBatch {
			if err := flush(); err != nil {
				return deleted, err
			}
		}
	}
	if len(batch) > 0 {
		err = flush()
	}
	return deleted, err
}
