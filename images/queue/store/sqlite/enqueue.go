package sqlite

import (
	"context"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Enqueue adds items.
func (s *Store) Enqueue(ctx context.Context, items []store.NewItem) ([]store.Enqueued, error) {
	results := make([]store.Enqueued, len(items))
	err := s.write(ctx, len(items), func(w *writer) error {
		for i := range items {
			var err error
			if results[i], err = w.enqueue(&items[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (w *writer) enqueue(item *store.NewItem) (store.Enqueued, error) {
	stage, err := w.stage(item.Stage)
	if err != nil {
		return store.Enqueued{}, err
	}
	remember := item.DeduplicationID != ""
	if remember {
		var id int64
		after := w.now - int64(w.s.options.DeduplicationWindow())
		there, err := w.sql.deduplicated.Int(stage.id).Text(item.DeduplicationID).Int(after).Row(func() { id = w.sql.deduplicated.ColumnInt(0) })
		if err != nil || there {
			return store.Enqueued{ID: id, Duplicate: true}, err
		}
	}
	id, err := w.insert(stage, item, 0)
	if err != nil {
		return store.Enqueued{}, err
	}
	if id == 0 {
		there := w.sql.itemByName
		_, err := there.Int(stage.id).Text(item.Name).Row(func() { id = there.ColumnInt(0) })
		return store.Enqueued{ID: id, Duplicate: true}, err
	}
	if remember {
		err = w.sql.deduplicate.Int(stage.id).Text(item.DeduplicationID).Int(w.now).Int(id).Exec()
	}
	return store.Enqueued{ID: id}, err
}

// insert an item; 0 if the stage has its name.
func (w *writer) insert(stage *stage, item *store.NewItem, input int64) (int64, error) {
	state, due := waiting, int64(0)
	if item.Delay > 0 {
		state, due = delayed, w.now+int64(item.Delay)
	}
	if item.Group != "" {
		live, err := w.sql.groupLive.Int(stage.id).Text(item.Group).Row(func() {})
		if err != nil {
			return 0, err
		}
		if live {
			state = blocked
		}
	}
	id, err := w.newID()
	if err != nil {
		return 0, err
	}
	err = w.sql.insertItem.Int(id).Int(stage.id).Int(int64(state)).Int(int64(item.Priority)).Int(w.now).Int(w.now).IntOrNull(due).
		Text(item.Name).TextOrNull(item.Group).IntOrNull(input).Int(item.Payload.Size).TextOrNull(item.Payload.Ref).Exec()
	if err != nil || w.c.Changes() == 0 {
		return 0, err
	}
	if err := w.insertPayload(id, item.Payload.Data); err != nil {
		return 0, err
	}
	stage.move(0, state)
	return id, nil
}

func (w *writer) insertPayload(id int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	return w.sql.insertPayload.Int(id).Blob(data).Exec()
}
