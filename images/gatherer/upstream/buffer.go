package upstream

import (
	"math/bits"
	"sync"
)

// A Buffer is memory that is used again.
type Buffer struct {
	B []byte
}

// Buffers are kept by their size: powers of two from 4 KiB to 4 MiB. Larger ones are rare, and left to the collector.
const (
	minBufferBits = 12
	maxBufferBits = 22
)

var buffers [maxBufferBits - minBufferBits + 1]sync.Pool

// NewBuffer is empty.
func NewBuffer() *Buffer { return newBuffer(1) }

// newBuffer with room for size bytes.
func newBuffer(size int) *Buffer {
	class := max(0, bits.Len(uint(size-1))-minBufferBits)
	if class >= len(buffers) {
		return &Buffer{B: make([]byte, 0, size)}
	}
	if b, ok := buffers[class].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{B: make([]byte, 0, 1<<(minBufferBits+class))}
}

// Free gives the memory back: neither the Buffer nor what was in it may be used any more.
func (b *Buffer) Free() {
	class := bits.Len(uint(cap(b.B))) - 1 - minBufferBits
	if class < 0 || class >= len(buffers) {
		return
	}
	b.B = b.B[:0]
	buffers[class].Put(b)
}

// grow so that there is room for n more bytes.
func (b *Buffer) grow(n int) {
	if cap(b.B)-len(b.B) >= n {
		return
	}
	size := len(b.B) + n
	if size > 1<<maxBufferBits {
		size = max(size, cap(b.B)+cap(b.B)/2)
	}
	larger := newBuffer(size)
	larger.B = append(larger.B, b.B...)
	b.B, larger.B = larger.B, b.B
	larger.Free()
}
