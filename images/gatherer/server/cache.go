package server

import (
	"container/list"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
)

// cache keeps complete answers for a while, those that were used last, within a bound of bytes.
type cache struct {
	mu    sync.Mutex
	bound int64
	bytes int64
	all   map[string]*list.Element
	order list.List // of *entry, the one that was used last in front
}

type entry struct {
	key    string
	answer *made
	bytes  int64
	kept   time.Time
	until  time.Time
}

// entryBytes is what an entry costs besides its body and its key.
const entryBytes = 512

func newCache() *cache { return &cache{all: map[string]*list.Element{}} }

// apply a configuration. Nil keeps nothing.
func (c *cache) apply(to *config.Cache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound = 0; to != nil {
		c.bound = to.Bytes
	}
	c.evict()
}

func (c *cache) get(key string) (*made, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.all[key]
	if !ok {
		return nil, 0
	}
	e := element.Value.(*entry)
	if !time.Now().Before(e.until) {
		c.drop(element)
		return nil, 0
	}
	c.order.MoveToFront(element)
	return e.answer, time.Since(e.kept)
}

// put an answer whose body lasts.
func (c *cache) put(key string, m *made, ttl time.Duration) {
	now := time.Now()
	e := &entry{key: key, answer: m, bytes: int64(len(m.body)+len(key)) + entryBytes, kept: now, until: now.Add(ttl)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.all[key]; ok {
		c.drop(old)
	}
	if e.bytes > c.bound {
		return
	}
	c.all[key] = c.order.PushFront(e)
	c.bytes += e.bytes
	c.evict()
}

func (c *cache) evict() {
	for c.bytes > c.bound {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(element *list.Element) {
	e := c.order.Remove(element).(*entry)
	delete(c.all, e.key)
	c.bytes -= e.bytes
}

// cacheable is how long an answer may be kept: as long as the policy says, and every part of it allows.
func cacheable(c *config.Cache, g *scatter.Gathered) time.Duration {
	if c == nil {
		return 0
	}
	ttl := c.TTL.Std()
	for i := range g.Parts {
		ttl = min(ttl, freshness(g.Parts[i].CacheControl, ttl))
	}
	return ttl
}

// freshness by a Cache-Control header (RFC 9111, section 5.2.2): the least of what is said, or what otherwise holds.
func freshness(header string, otherwise time.Duration) time.Duration {
	ttl, shared := otherwise, false
	for directive := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache", "private":
			return 0
		case "max-age", "s-maxage":
			seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32)
			if err != nil {
				return 0
			}
			if strings.EqualFold(name, "s-maxage") {
				ttl, shared = time.Duration(seconds)*time.Second, true
			} else if !shared {
				ttl = time.Duration(seconds) * time.Second
			}
		}
	}
	return min(ttl, otherwise)
}
