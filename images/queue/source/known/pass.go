package known

import (
	"context"
	"fmt"
	"slices"
)

// Flush makes durable what was found to be new; a block says that names are known only after it. Those that failed stay
// unknown, and will be new again in the next pass.
type Flush func(ctx context.Context) (failed []string, err error)

// A Pass goes along a source once. Names are offered in ascending order, byte by byte.
type Pass struct {
	set *Set
	// before is the block that precedes the present one, for joining; nil at the head and after Resume.
	before  *block
	present *block
	// rest are the digests of the present block that are not passed yet; seen those of the names offered.
	rest, seen []uint64
	changed    bool
	last       string
	flush      Flush
	count      int64
}

// Pass begins behind a name that Resume gave, or at the beginning ("").
func (s *Set) Pass(ctx context.Context, after string, flush Flush) (*Pass, error) {
	b, err := s.load(ctx, after)
	if err != nil {
		return nil, err
	}
	return &Pass{set: s, present: b, rest: b.digests, last: after, flush: flush}, nil
}

// Offer tells whether a name is new. It counts as known from the next call of flush on, unless that says that it failed.
func (p *Pass) Offer(ctx context.Context, name string) (fresh bool, err error) {
	if name <= p.last && p.last != "" {
		return false, fmt.Errorf("the source lists %q after %q: names must ascend", name, p.last)
	}
	for p.present.Next != nil && name > *p.present.Next {
		if err := p.advance(ctx); err != nil {
			return false, err
		}
	}
	if len(p.seen) >= most {
		if err := p.divide(ctx); err != nil {
			return false, err
		}
	}
	p.last = name
	if i := slices.Index(p.rest, digest(name)); i >= 0 {
		p.changed = p.changed || i > 0 // those before it are no longer in the source
		p.seen = append(p.seen, p.rest[i])
		p.rest = p.rest[i+1:]
		p.count++
		return false, nil
	}
	p.seen = append(p.seen, digest(name))
	p.changed = true
	p.count++
	return true, nil
}

// Count is how many names were offered and are known.
func (p *Pass) Count() int64 { return p.count }

// End of the source.
func (p *Pass) End(ctx context.Context) error {
	for p.present.Next != nil {
		if err := p.advance(ctx); err != nil {
			return err
		}
	}
	p.drop()
	return p.close(ctx)
}

// drop forgets the names that the source has no more.
func (p *Pass) drop() {
	p.changed = p.changed || len(p.rest) > 0
	p.rest = nil
}

// settle makes what is new durable, and takes out again what could not be made so.
func (p *Pass) settle(ctx context.Context) error {
	if !p.changed {
		return nil
	}
	failed, err := p.flush(ctx)
	for _, name := range failed {
		if i := slices.Index(p.seen, digest(name)); i >= 0 {
			p.seen = slices.Delete(p.seen, i, i+1)
			p.count--
		}
	}
	return err
}

// close writes the present block if that is needed, or joins it with the one before.
func (p *Pass) close(ctx context.Context) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	b := p.present
	if p.before != nil && len(p.before.digests)+len(p.seen) <= few {
		joined := &block{after: p.before.after, Next: b.Next, digests: slices.Concat(p.before.digests, p.seen)}
		if err := p.set.save(ctx, joined); err != nil {
			return err
		}
		if err := p.set.Marks.SetMark(ctx, p.set.key(b.after), ""); err != nil {
			return fmt.Errorf("write the names that are known: %w", err)
		}
		p.present = joined
		return nil
	}
	b.digests = slices.Clone(p.seen)
	if !p.changed {
		return nil
	}
	return p.set.save(ctx, b)
}

// advance to the next block.
func (p *Pass) advance(ctx context.Context) error {
	p.drop()
	if err := p.close(ctx); err != nil {
		return err
	}
	next, err := p.set.load(ctx, *p.present.Next)
	if err != nil {
		return err
	}
	p.before, p.present = p.present, next
	p.rest, p.seen, p.changed = next.digests, p.seen[:0], false
	return nil
}

// divide the present block behind the last name. The second part is written first: an end in between leaves it unused.
func (p *Pass) divide(ctx context.Context) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	at := p.last
	second := &block{after: at, Next: p.present.Next, digests: slices.Clone(p.rest)}
	if err := p.set.save(ctx, second); err != nil {
		return err
	}
	first := &block{after: p.present.after, Next: &at, digests: slices.Clone(p.seen)}
	if err := p.set.save(ctx, first); err != nil {
		return err
	}
	p.before, p.present = first, second
	p.rest, p.seen, p.changed = second.digests, p.seen[:0], false
	return nil
}
