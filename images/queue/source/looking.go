package source

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/source/known"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// batch is how many items are enqueued in one step: few enough that their contents, each at most as large as the store
// keeps inline, are megabytes.
const batch = 100

// parallel is how many contents are fetched at once.
const parallel = 8

// hopeless is how many failures without a success show that it is the source that fails.
const hopeless = 20

const progressEvery = 2 * time.Second

// found is a name that is new.
type found struct {
	name string // in the source
	item string
	size int64
}

// looking is one look at a source.
type looking struct {
	feed
	r    *Reader
	pass *known.Pass
	// content makes the payload of an item.
	content func(ctx context.Context, f found) (store.Payload, error)
	// begun is how many names were known where the pass began.
	begun, count int64

	pending []found
	again   []string // names that failed since the last flush
	failed  []error
	refused int64
	refusal error
	told    time.Time
}

// begin a pass. Resume goes on where the first look was interrupted; it tells behind which name.
func (l *looking) begin(ctx context.Context, resume bool) (after string, err error) {
	set := &known.Set{Marks: l.r.o.Store, Key: l.key()}
	if resume {
		if after, l.begun, err = set.Resume(ctx); err != nil {
			return "", err
		}
	}
	l.pass, err = set.Pass(ctx, after, func(ctx context.Context) ([]string, error) {
		err := l.drain(ctx)
		again := l.again
		l.again = nil
		return again, err
	})
	return after, err
}

// offer a name, in ascending order.
func (l *looking) offer(ctx context.Context, f found) error {
	if err := config.CheckName(l.prefix + f.item); err != nil {
		l.refused++
		if l.refusal == nil {
			l.refusal = err
		}
		return nil
	}
	fresh, err := l.pass.Offer(ctx, f.name)
	if err != nil || !fresh {
		return err
	}
	l.pending = append(l.pending, f)
	if len(l.pending) >= batch {
		return l.drain(ctx)
	}
	return nil
}

func (l *looking) end(ctx context.Context) error {
	err := l.pass.End(ctx)
	l.count = l.begun + l.pass.Count()
	return err
}

// drain enqueues what is pending. A content that cannot be had is left for the next look; if that is so for many at a time
// and none is had, this look ends.
func (l *looking) drain(ctx context.Context) error {
	pending := l.pending
	l.pending = nil
	payloads := make([]store.Payload, len(pending))
	errs := make([]error, len(pending))
	var group sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i, f := range pending {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			payloads[i], errs[i] = l.content(ctx, f)
		})
	}
	group.Wait()
	items := make([]store.NewItem, 0, len(pending))
	for i, f := range pending {
		if errs[i] != nil {
			l.again = append(l.again, f.name)
			l.failed = append(l.failed, errs[i])
			continue
		}
		items = append(items, store.NewItem{Stage: l.stage, Name: l.prefix + f.item, Priority: api.DefaultPriority, Payload: payloads[i]})
	}
	if len(items) == 0 {
		if len(pending) >= hopeless {
			return first(errs)
		}
		return ctx.Err()
	}
	if _, err := l.r.o.Store.Enqueue(ctx, items); err != nil {
		return fmt.Errorf("enqueue %d items for stage %s: %w", len(items), l.stage, err)
	}
	return l.progress(ctx)
}

// progress keeps the number of items, now and then, for those who watch a long look.
func (l *looking) progress(ctx context.Context) error {
	if time.Since(l.told) < progressEvery {
		return nil
	}
	l.told = time.Now()
	s, err := l.r.state(ctx, l.feed)
	if n := l.begun + l.pass.Count(); err == nil && n > s.Items {
		s.Items = n
		err = l.r.setState(ctx, l.feed, s)
	}
	return err
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}
