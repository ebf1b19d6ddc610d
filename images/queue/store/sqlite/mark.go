package sqlite

import (
	"context"
	"time"
)

// SetMark keeps a fact.
func (s *Store) SetMark(ctx context.Context, key, value string) error {
	return s.write(ctx, 1, func(w *writer) error { return w.sql.setMark.Text(key).Text(value).Exec() })
}

// Hold a role.
func (s *Store) Hold(ctx context.Context, role, holder string, ttl time.Duration) (held bool, err error) {
	err = s.write(ctx, 1, func(w *writer) error {
		if err := w.sql.hold.Text(role).Text(holder).Int(w.now + int64(ttl)).Int(w.now).Exec(); err != nil {
			return err
		}
		held = w.c.Changes() > 0
		return nil
	})
	return held && err == nil, err
}

// Unhold a role.
func (s *Store) Unhold(ctx context.Context, role, holder string) error {
	return s.write(ctx, 1, func(w *writer) error { return w.sql.unhold.Text(role).Text(holder).Exec() })
}

// Exported marks results.
func (s *Store) Exported(ctx context.Context, ids []int64) error {
	return s.write(ctx, len(ids), func(w *writer) error {
		for _, id := range ids {
			if err := w.sql.export.Int(id).Exec(); err != nil {
				return err
			}
			if n := w.c.Changes(); n > 0 {
				w.count.exported += int64(n)
				w.count.resultsChanged = true
			}
		}
		return nil
	})
}
