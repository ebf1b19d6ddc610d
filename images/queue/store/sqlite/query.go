package sqlite

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/failure"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// stageName by ID. It is known before an item of it can be read.
func (s *Store) stageName(id int64) string { return (*s.names.Load())[id-1] }

// stageID by name, 0 if there is none.
func (s *Store) stageID(name string) int64 {
	return int64(slices.Index(*s.names.Load(), name)) + 1
}

// List items.
func (s *Store) List(ctx context.Context, q store.Query) (items []store.Item, err error) {
	stage := s.stageID(q.Stage)
	first, last := stateNumber(q.State), stateNumber(q.State)
	if q.State == "" {
		first, last = blocked, states
	}
	if stage == 0 || q.Limit <= 0 || first < 0 {
		return nil, nil
	}
	err = s.read(ctx, func(r *reader) error {
		return r.snapshot(func() error {
			items = nil
			// By ID across states and priorities: each has an order of its own in the index, and they are merged.
			for state := first; state <= last; state++ {
				if items, err = s.list(r, items, stage, state, q); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return items, err
}

// list merges the first items of every priority into those that are there.
func (s *Store) list(r *reader, items []store.Item, stage, state int64, q store.Query) ([]store.Item, error) {
	for priority, more := int64(api.MaxPriority)+1, true; ; {
		_, err := r.priorities.Int(stage).Int(state).Int(priority).Row(func() {
			priority, more = r.priorities.ColumnInt(0), !r.priorities.IsNull(0)
		})
		if err != nil || !more {
			return items, err
		}
		err = r.ofState.Int(stage).Int(state).Int(priority).Int(q.After).Int(int64(q.Limit)).Rows(func() error {
			items = append(items, s.scanItem(r.ofState))
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(items, func(a, b store.Item) int { return cmp.Compare(a.ID, b.ID) })
		items = items[:min(len(items), q.Limit)]
	}
}

// scanItem reads the columns that all statements for items begin with.
func (s *Store) scanItem(row *conn.Stmt) store.Item {
	return store.Item{
		Lease: store.Lease{ID: row.ColumnInt(0), Epoch: row.ColumnInt(4)}, Stage: s.stageName(row.ColumnInt(1)),
		State: stateNames[row.ColumnInt(2)], Priority: int(row.ColumnInt(3)), Attempt: int(row.ColumnInt(5)),
		Created: instant(row.ColumnInt(6)), Changed: instant(row.ColumnInt(7)), Due: instant(row.ColumnInt(8)),
		Name: row.ColumnText(9), Group: row.ColumnText(10), Input: row.ColumnInt(11),
		Payload: store.Payload{Size: row.ColumnInt(12), Ref: row.ColumnText(13)},
		Worker:  row.ColumnText(14), Index: int(row.ColumnInt(15)), Failure: failure.Decode(row.ColumnText(16)),
	}
}

func (s *Store) scanResult(row *conn.Stmt) store.Result {
	return store.Result{
		ID: row.ColumnInt(0), Name: row.ColumnText(1), Created: instant(row.ColumnInt(2)), Exported: row.ColumnInt(3) != 0,
		Stage: s.stageName(row.ColumnInt(4)), Item: row.ColumnText(5), Input: row.ColumnInt(6),
		Payload: store.Payload{Size: row.ColumnInt(7), Ref: row.ColumnText(8), Data: row.ColumnBlob(9)},
	}
}

// Get an item.
func (s *Store) Get(ctx context.Context, stage, name string) (item *store.Item, err error) {
	err = s.read(ctx, func(r *reader) error {
		there, err := r.item.Int(s.stageID(stage)).Text(name).Row(func() {
			found := s.scanItem(r.item)
			found.Payload.Data = r.item.ColumnBlob(17)
			item = &found
		})
		if err == nil && !there {
			err = store.ErrNotFound
		}
		return err
	})
	return item, err
}

// Family of an item.
func (s *Store) Family(ctx context.Context, id int64) (input *store.Item, items []store.Item, results []store.Result, err error) {
	err = s.read(ctx, func(r *reader) error {
		return r.snapshot(func() error {
			var of int64
			if _, err := r.itemByID.Int(id).Row(func() { of = r.itemByID.ColumnInt(11) }); err != nil {
				return err
			}
			_, err := r.itemByID.Int(of).Row(func() {
				found := s.scanItem(r.itemByID)
				input = &found
			})
			if err != nil {
				return err
			}
			err = r.itemsMade.Int(id).Rows(func() error {
				items = append(items, s.scanItem(r.itemsMade))
				return nil
			})
			if err != nil {
				return err
			}
			return r.resultsMade.Int(id).Rows(func() error {
				results = append(results, s.scanResult(r.resultsMade))
				return nil
			})
		})
	})
	return input, items, results, err
}

// Results of the pipeline.
func (s *Store) Results(ctx context.Context, q store.ResultQuery) (results []store.Result, err error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	data := int64(1)
	if q.Brief {
		data = 0
	}
	err = s.read(ctx, func(r *reader) error {
		rows := r.results
		if q.Unexported {
			rows = r.unexported
		}
		return rows.Int(data).Int(q.After).Int(int64(q.Limit)).Rows(func() error {
			results = append(results, s.scanResult(rows))
			return nil
		})
	})
	return results, err
}

// Result by name.
func (s *Store) Result(ctx context.Context, name string) (result *store.Result, err error) {
	err = s.read(ctx, func(r *reader) error {
		there, err := r.result.Text(name).Row(func() {
			found := s.scanResult(r.result)
			result = &found
		})
		if err == nil && !there {
			err = store.ErrNotFound
		}
		return err
	})
	return result, err
}

// Mark that was set.
func (s *Store) Mark(ctx context.Context, key string) (value string, err error) {
	err = s.read(ctx, func(r *reader) error {
		_, err := r.mark.Text(key).Row(func() { value = r.mark.ColumnText(0) })
		return err
	})
	return value, err
}

// Referenced payloads.
func (s *Store) Referenced(ctx context.Context, refs []string) (map[string]bool, error) {
	used := make(map[string]bool, len(refs))
	err := s.read(ctx, func(r *reader) error {
		for _, ref := range refs {
			there, err := r.itemRef.Text(ref).Row(func() {})
			if err == nil && !there {
				there, err = r.resultRef.Text(ref).Row(func() {})
			}
			if err != nil {
				return err
			}
			used[ref] = there
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return used, nil
}

// Stats from the counters.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	known := s.counters.Load()
	stats := store.Stats{Stages: make(map[string]store.StageStats, len(known.stages)), Results: known.results, Exported: known.exported}
	err := s.read(ctx, func(r *reader) error {
		for _, stage := range known.stages {
			one := store.StageStats{Counts: make(map[api.State]int64, states), DoneTotal: stage.doneTotal, DeadTotal: stage.deadTotal}
			for i := 1; i <= states; i++ {
				one.Counts[stateNames[i]] = stage.counts[i]
			}
			if stage.counts[waiting] > 0 {
				var oldest time.Time
				_, err := r.oldest.Int(stage.id).Row(func() { oldest = instant(r.oldest.ColumnInt(0)) })
				if err != nil {
					return err
				}
				one.Oldest = oldest
			}
			stats.Stages[stage.name] = one
		}
		return nil
	})
	return stats, err
}
