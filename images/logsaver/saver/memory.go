package saver

import "slices"

// memory is what one batch lives in.
type memory struct {
	limit  int // of a range that is cut into it
	small  bool
	raw    []byte // of the file
	cooked []byte // records that are not the bytes of the file as they stand
}

// room is n bytes for a file to be read into.
func (m *memory) room(n int) []byte {
	m.raw = slices.Grow(m.raw[:0], n)
	return m.raw[:n]
}

// A pool is all the memory that batches have. There is little of the large kind: one batch is being written, one waits,
// one is being cut. Of the small kind there is more, so that the batches of many quiet files share one write of the
// checkpoint.
type pool struct{ large, small chan *memory }

const (
	largeCount = 3
	smallCount = 13
	smallBytes = 64 << 10
	depth      = largeCount + smallCount
)

func newPool(maxBytes int) *pool {
	p := &pool{large: make(chan *memory, largeCount), small: make(chan *memory, smallCount)}
	for range largeCount {
		p.put(&memory{limit: maxBytes})
	}
	for range smallCount {
		p.put(&memory{limit: min(smallBytes, maxBytes), small: true})
	}
	return p
}

// get gives memory for a range of that many bytes, or of a part of it; nil if there is none now.
func (p *pool) get(bytes int64) *memory {
	if bytes < smallBytes {
		select {
		case m := <-p.small:
			return m
		default:
		}
	}
	select {
	case m := <-p.large:
		return m
	default:
		return nil
	}
}

func (p *pool) put(m *memory) {
	if m.small {
		p.small <- m
		return
	}
	p.large <- m
}
