package sqlite

import (
	"context"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// step is how many items a redrive or purge of all takes at once.
const step = 2000

// Redrive dead items.
func (s *Store) Redrive(ctx context.Context, stage string, names []string) (int, error) {
	return s.steps(ctx, names, func(w *writer, names []string) (int, error) {
		return w.some(stage, names, dead, func(st *stageItem) (bool, error) { return w.redrive(st) })
	})
}

// Purge items that are not in flight.
func (s *Store) Purge(ctx context.Context, stage string, names []string, state api.State) (int, error) {
	number := int(stateNumber(state))
	if names == nil && (number < 0 || number == inFlight) {
		return 0, nil
	}
	return s.steps(ctx, names, func(w *writer, names []string) (int, error) {
		return w.some(stage, names, number, func(item *stageItem) (bool, error) { return w.purge(item) })
	})
}

// steps calls f with all of the names at once, or, without names, until it has found less than a step.
func (s *Store) steps(ctx context.Context, names []string, f func(w *writer, names []string) (int, error)) (int, error) {
	total := 0
	for {
		var n int
		err := s.write(ctx, max(len(names), step), func(w *writer) (err error) {
			n, err = f(w, names)
			return err
		})
		if err != nil {
			return total, err
		}
		if total += n; names != nil || n < step {
			return total, nil
		}
	}
}

// A stageItem is chosen for a redrive or a purge.
type stageItem struct {
	stage *stage
	id    int64
	state int
	group string
}

// some items of a stage: those of the names, or a step of those in a state.
func (w *writer) some(name string, names []string, state int, f func(*stageItem) (bool, error)) (int, error) {
	stage := w.count.byName[name]
	if stage == nil {
		return 0, nil
	}
	var items []stageItem
	if names == nil {
		read := w.sql.ofState
		err := read.Int(stage.id).Int(int64(state)).Int(step).Rows(func() error {
			items = append(items, stageItem{stage, read.ColumnInt(0), state, read.ColumnText(2)})
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	n := 0
	take := func(item *stageItem) error {
		ok, err := f(item)
		if ok {
			n++
		}
		return err
	}
	for i := range items {
		if err := take(&items[i]); err != nil {
			return 0, err
		}
	}
	for _, name := range names {
		read := w.sql.named
		item := stageItem{stage: stage}
		there, err := read.Int(stage.id).Text(name).Row(func() {
			item.id, item.state, item.group = read.ColumnInt(0), int(read.ColumnInt(1)), read.ColumnText(2)
		})
		if err == nil && there {
			err = take(&item)
		}
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (w *writer) redrive(item *stageItem) (bool, error) {
	if item.state != dead {
		return false, nil
	}
	state := waiting
	if item.group != "" {
		live, err := w.sql.groupLive.Int(item.stage.id).Text(item.group).Row(func() {})
		if err != nil {
			return false, err
		}
		if live {
			state = blocked
		}
	}
	item.stage.move(dead, state)
	return true, w.sql.redrive.Int(int64(state)).Int(w.now).Int(item.id).Exec()
}

func (w *writer) purge(item *stageItem) (bool, error) {
	if item.state == inFlight {
		return false, nil
	}
	if err := w.remove(item.stage, item.id, item.state); err != nil {
		return false, err
	}
	if item.state == delayed || item.state == waiting {
		return true, w.unblock(item.stage, item.group)
	}
	return true, nil
}

func (w *writer) remove(stage *stage, id int64, state int) error {
	if err := w.sql.deleteItem.Int(id).Exec(); err != nil {
		return err
	}
	stage.move(state, 0)
	return w.sql.deleteInline.Int(id).Exec()
}

// Forget items that are done.
func (s *Store) Forget(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.write(ctx, limit, func(w *writer) error {
		n = 0
		for _, stage := range w.count.stages {
			if stage.counts[done] == 0 {
				continue
			}
			var ids []int64
			read := w.sql.doneBefore
			err := read.Int(stage.id).Int(before.UnixNano()).Int(int64(limit - n)).Rows(func() error {
				ids = append(ids, read.ColumnInt(0))
				return nil
			})
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := w.remove(stage, id, done); err != nil {
					return err
				}
			}
			n += len(ids)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
