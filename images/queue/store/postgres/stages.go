package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// stages are integers in the database. They are never removed.
type stages struct {
	pool *pgxpool.Pool
	mu   sync.RWMutex
	ids  map[string]int32
	byID map[int32]string
}

// id of a stage; 0 if there is none and it is not to be made.
func (s *stages) id(ctx context.Context, name string, create bool) (int32, error) {
	if id := s.known(name); id != 0 {
		return id, nil
	}
	if create {
		if _, err := s.pool.Exec(ctx, "INSERT INTO stages (name) VALUES ($1) ON CONFLICT DO NOTHING", name); err != nil {
			return 0, explain(err)
		}
	}
	err := s.load(ctx)
	return s.known(name), err
}

func (s *stages) known(name string) int32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids[name]
}

// name of a stage by ID, which something in the database has.
func (s *stages) name(ctx context.Context, id int32) (string, error) {
	s.mu.RLock()
	name, ok := s.byID[id]
	s.mu.RUnlock()
	if ok {
		return name, nil
	}
	if err := s.load(ctx); err != nil {
		return "", err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id], nil
}

// all names.
func (s *stages) all() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.ids))
	for name := range s.ids {
		names = append(names, name)
	}
	return names
}

func (s *stages) load(ctx context.Context) error {
	rows, err := s.pool.Query(ctx, "SELECT id, name FROM stages")
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	ids, byID := map[string]int32{}, map[int32]string{}
	for rows.Next() {
		var id int32
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return explain(err)
		}
		ids[name], byID[id] = id, name
	}
	if err := rows.Err(); err != nil {
		return explain(err)
	}
	s.mu.Lock()
	s.ids, s.byID = ids, byID
	s.mu.Unlock()
	return nil
}
