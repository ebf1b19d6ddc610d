package source

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

func sorted(list map[string]string) []string { return slices.Sorted(maps.Keys(list)) }

// list enqueues the names of the configuration. A name that is taken off it and put on again is new.
func (l *looking) list(ctx context.Context) error {
	l.content = func(ctx context.Context, f found) (store.Payload, error) {
		return l.r.o.Keep(ctx, strings.NewReader(l.feed.list[f.name]))
	}
	if _, err := l.begin(ctx, false); err != nil {
		return err
	}
	for _, name := range sorted(l.feed.list) {
		if err := l.offer(ctx, found{name: name, item: name}); err != nil {
			return err
		}
	}
	return l.end(ctx)
}
