// Package known remembers which names of a source have become items, for good: longer than the queue remembers the items.
//
// The names are in blocks of about a thousand, chained in the order of the names. Of a name only a digest of eight bytes is
// kept. A pass goes along the names of the source and along the blocks at the same time: at any moment one block is in
// memory, however many names there are, a pass that finds nothing new writes nothing, and names that the source no longer
// has are dropped on the way, so the memory is as large as the source.
//
// Every step is in the order that a sudden end allows: first the items, then the block that says they are known. After
// one the pass begins again, and what is offered twice is found by its name in the queue.
package known

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// Marks is where the blocks are kept: store.Store.
type Marks interface {
	Mark(ctx context.Context, key string) (string, error)
	SetMark(ctx context.Context, key, value string) error
}

// Names of a block: it is divided above most, and joined with the one before where both together have at most few.
const (
	most = 1024
	few  = most / 2
)

// A Set is the names of one source that are known.
type Set struct {
	Marks Marks
	// Key begins the keys of the marks.
	Key string
}

// block holds the names n with after < n, and n <= next unless it is the last.
type block struct {
	after string
	// Next is the last name that belongs to it, and the key of the block behind it; nil in the last block.
	Next    *string `json:"next,omitempty"`
	digests []uint64
	Digests string `json:"digests"` // in the order of the names, eight bytes each, base64
}

func digest(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:8])
}

func (s *Set) key(after string) string { return s.Key + "/" + after }

func (s *Set) load(ctx context.Context, after string) (*block, error) {
	text, err := s.Marks.Mark(ctx, s.key(after))
	if err != nil {
		return nil, fmt.Errorf("read the names that are known: %w", err)
	}
	b := &block{after: after}
	if text == "" {
		return b, nil
	}
	if err := json.Unmarshal([]byte(text), b); err != nil {
		return nil, fmt.Errorf("read the names that are known: the mark %q is damaged: %w", s.key(after), err)
	}
	raw, err := base64.StdEncoding.DecodeString(b.Digests)
	if err != nil || len(raw)%8 != 0 {
		return nil, fmt.Errorf("read the names that are known: the mark %q is damaged", s.key(after))
	}
	for chunk := range slices.Chunk(raw, 8) {
		b.digests = append(b.digests, binary.BigEndian.Uint64(chunk))
	}
	return b, nil
}

func (s *Set) save(ctx context.Context, b *block) error {
	raw := make([]byte, 0, 8*len(b.digests))
	for _, d := range b.digests {
		raw = binary.BigEndian.AppendUint64(raw, d)
	}
	b.Digests = base64.StdEncoding.EncodeToString(raw)
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := s.Marks.SetMark(ctx, s.key(b.after), string(text)); err != nil {
		return fmt.Errorf("write the names that are known: %w", err)
	}
	return nil
}

// Resume gives the name after which a pass that was interrupted can go on, and how many names are known up to there. It
// holds for a source that is read for the first time: the end of the chain is where that has come to.
func (s *Set) Resume(ctx context.Context) (after string, count int64, err error) {
	for {
		b, err := s.load(ctx, after)
		if err != nil {
			return "", 0, err
		}
		if b.Next == nil {
			return after, count, nil
		}
		count += int64(len(b.digests))
		after = *b.Next
	}
}
