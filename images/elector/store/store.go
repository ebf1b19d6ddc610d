// Package store is what electors agree by: a few records, each of which is changed only by who knows its last version.
//
// That is all that a backend has to offer. Leases of Kubernetes have it by their resourceVersion, variables of Nomad by their
// ModifyIndex, and a log that the electors replicate among themselves by its own index.
package store

import (
	"context"
	"errors"
	"time"
)

// A Record is one of the table.
type Record struct {
	Key string
	// Value is nil of a record that is not there.
	Value []byte
	// Version is another one after each change. Of a record that is not there it is what Put makes it with; most have "".
	Version string
	// Generation of the table that the record is in. A greater one has taken the place of those before, of which nothing holds any
	// more, and fencing tokens must not be smaller than it. It is 0 where a table never is lost.
	Generation uint64
}

// epoch of generations.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// GenerationAt is that of a table, or a record, that was made at a time: microseconds since 2020, on every backend alike, so that the
// terms of what is made anew, on another one even, go on above those before, as long as there was no more than one in a microsecond.
func GenerationAt(t time.Time) uint64 {
	return uint64(max(1, t.Sub(epoch).Microseconds())) //nolint:gosec // it is at least 1
}

// ErrConflict is what Put gives when the record has another version than the one that was named. Nothing was written.
var ErrConflict = errors.New("the record has changed meanwhile")

// A Store is safe for concurrent use.
type Store interface {
	// Get a record as it is now, and not as it was a while ago: what was put before by anybody, and acknowledged, is seen.
	Get(ctx context.Context, key string) (Record, error)
	// Put a value if the record still has a version, that of one that is not there among them, and give the new version. After any
	// error but ErrConflict nobody knows whether it was written. What has the version of a generation is put in that one only.
	Put(ctx context.Context, key string, value []byte, version string) (string, error)
	// Watch tells of records with these keys as they are and whenever they change, until the context ends. What is told may be late,
	// and changes that follow each other quickly may be told as one; it never goes back.
	Watch(ctx context.Context, keys []string, tell func(Record))
}
