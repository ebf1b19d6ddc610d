package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// columns of new items, as the functions of the schema take them.
type columns struct {
	stages, priorities                 []int32
	names, groups, deduplication, refs []string
	delays, sizes                      []int64
	data                               [][]byte
}

func (s *Store) columns(ctx context.Context, items []store.NewItem) (*columns, error) {
	c := &columns{}
	for i := range items {
		item := &items[i]
		stage, err := s.stages.id(ctx, item.Stage, true)
		if err != nil {
			return nil, err
		}
		c.stages, c.priorities = append(c.stages, stage), append(c.priorities, int32(item.Priority))
		c.names, c.groups = append(c.names, item.Name), append(c.groups, item.Group)
		c.deduplication, c.refs = append(c.deduplication, item.DeduplicationID), append(c.refs, item.Payload.Ref)
		c.delays, c.sizes = append(c.delays, int64(item.Delay)), append(c.sizes, item.Payload.Size)
		c.data = append(c.data, item.Payload.Data)
	}
	return c, nil
}

// Enqueue adds items.
func (s *Store) Enqueue(ctx context.Context, items []store.NewItem) ([]store.Enqueued, error) {
	c, err := s.columns(ctx, items)
	if err != nil {
		return nil, err
	}
	results := make([]store.Enqueued, 0, len(items))
	err = s.do(ctx, len(items), func(t *transaction) {
		window := int64(s.options.DeduplicationWindow())
		t.batch.Queue("SELECT * FROM enqueue($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", t.now, window,
			c.stages, c.names, c.priorities, c.delays, c.groups, c.deduplication, c.sizes, c.refs, c.data,
		).Query(func(rows pgx.Rows) error {
			results = results[:0]
			for rows.Next() {
				var e store.Enqueued
				var state int32
				if err := rows.Scan(&e.ID, &e.Duplicate, &state); err != nil {
					return err
				}
				if !e.Duplicate {
					t.moved([]int32{c.stages[len(results)], 0, state})
				}
				results = append(results, e)
			}
			return rows.Err()
		})
	}, nil)
	if err != nil {
		return nil, err
	}
	return results, nil
}
