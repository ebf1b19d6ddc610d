package powerloss

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// pageBytes is what the disk writes as a whole: larger writes may be torn at its multiples.
const pageBytes = 4096

// maxFileBytes bounds a file, so that a wrong offset does not become a table of a billion pages.
const maxFileBytes = 64 << 30

type page struct {
	data [pageBytes]byte
	// durable pages are not written to any more, but copied.
	durable bool
}

// image is the content of a file at one time. A nil page is a hole.
type image struct {
	size  int64
	pages []*page
}

func pagesOf(size int64) int { return int((size + pageBytes - 1) / pageBytes) }

// set a page, which may be past the end: then the file must be resized after.
func (m *image) set(i int, p *page) {
	if i >= len(m.pages) {
		if p == nil {
			return
		}
		m.pages = append(m.pages, make([]*page, i+1-len(m.pages))...)
	}
	m.pages[i] = p
}

func (m *image) page(i int) *page {
	if i < len(m.pages) {
		return m.pages[i]
	}
	return nil
}

// resize, with nothing left behind the end.
func (m *image) resize(size int64) {
	m.size = size
	n := pagesOf(size)
	if n < len(m.pages) {
		clear(m.pages[n:])
		m.pages = m.pages[:n]
	}
	if rest := size % pageBytes; rest != 0 && m.page(n-1) != nil {
		p := &page{data: m.pages[n-1].data}
		clear(p.data[rest:])
		m.pages[n-1] = p
	}
}

func (m *image) clone() image { return image{size: m.size, pages: slices.Clone(m.pages)} }

func (m *image) read(to []byte, offset int64) int {
	if offset >= m.size {
		return 0
	}
	to = to[:min(int64(len(to)), m.size-offset)]
	for done := 0; done < len(to); {
		at := offset + int64(done)
		within := int(at % pageBytes)
		n := min(len(to)-done, pageBytes-within)
		if p := m.page(int(at / pageBytes)); p != nil {
			copy(to[done:done+n], p.data[within:])
		} else {
			clear(to[done : done+n])
		}
		done += n
	}
	return len(to)
}

// content of a file: what programs see, and what the disk has for certain.
type content struct {
	live, durable image
	// dirty pages differ, or may.
	dirty map[int]struct{}
}

func newContent(m image) *content {
	for _, p := range m.pages {
		if p != nil {
			p.durable = true
		}
	}
	return &content{live: m.clone(), durable: m, dirty: map[int]struct{}{}}
}

// allocates says whether a write needs room on the disk.
func (c *content) allocates(offset, n int64) bool {
	if offset+n > c.live.size {
		return true
	}
	for i := int(offset / pageBytes); i < pagesOf(offset+n); i++ {
		if c.live.page(i) == nil {
			return true
		}
	}
	return false
}

func (c *content) write(data []byte, offset int64) {
	for done := 0; done < len(data); {
		at := offset + int64(done)
		i, within := int(at/pageBytes), int(at%pageBytes)
		p := c.live.page(i)
		switch {
		case p == nil:
			p = &page{}
		case p.durable:
			p = &page{data: p.data}
		}
		done += copy(p.data[within:], data[done:])
		c.live.set(i, p)
		c.dirty[i] = struct{}{}
	}
	c.live.size = max(c.live.size, offset+int64(len(data)))
}

func (c *content) truncate(size int64) {
	for i := int(size / pageBytes); i < len(c.live.pages); i++ {
		c.dirty[i] = struct{}{}
	}
	c.live.resize(size)
}

// sync makes durable what programs see, and says how many pages that were.
func (c *content) sync() int {
	n := len(c.dirty)
	for i := range c.dirty {
		p := c.live.page(i)
		if p != nil {
			p.durable = true
		}
		c.durable.set(i, p)
	}
	if c.durable.size != c.live.size {
		c.durable.size = c.live.size
		if n := pagesOf(c.live.size); n < len(c.durable.pages) {
			c.durable.pages = c.durable.pages[:n]
		}
	}
	clear(c.dirty)
	return n
}

// settle gives what the disk has after a loss of power: of what was not synced nothing, everything, or some pages, with
// the old or the new size.
func (c *content) settle(r *rand.Rand) image {
	if len(c.dirty) == 0 && c.live.size == c.durable.size {
		return c.durable.clone()
	}
	switch r.IntN(3) {
	case 0:
		return c.durable.clone()
	case 1:
		return c.live.clone()
	}
	kept, size := c.durable.clone(), c.durable.size
	for _, i := range slices.Sorted(maps.Keys(c.dirty)) {
		if r.IntN(2) == 0 {
			kept.set(i, c.live.page(i))
		}
	}
	if r.IntN(2) == 0 {
		size = c.live.size
	}
	kept.resize(size)
	return kept
}
