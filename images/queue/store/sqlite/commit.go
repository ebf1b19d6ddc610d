package sqlite

import (
	"context"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// Commit ends items as done.
func (s *Store) Commit(ctx context.Context, commits []store.Commit) ([]error, error) {
	return s.each(ctx, len(commits), func(w *writer, i int) error { return w.commit(&commits[i]) })
}

// commit looks at everything first, so that an entry that fails has nothing to take back.
func (w *writer) commit(c *store.Commit) error {
	l, err := w.lease(c.Lease)
	if err != nil {
		return err
	}
	if err := w.namesFree(c); err != nil {
		return err
	}
	if err := w.sql.done.Int(w.now).Int(l.id).Exec(); err != nil {
		return err
	}
	l.stage.move(l.state, done)
	// Before anything is made into the same group, so that it comes behind what is there.
	if err := w.unblock(l.stage, l.group); err != nil {
		return err
	}
	for i := range c.Items {
		stage, err := w.stage(c.Items[i].Stage)
		if err != nil {
			return err
		}
		if _, err := w.insert(stage, &c.Items[i], l.id); err != nil {
			return err
		}
	}
	for i := range c.Results {
		if err := w.insertResult(&c.Results[i], l); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) insertResult(r *store.NewResult, l *leased) error {
	id, err := w.newID()
	if err != nil {
		return err
	}
	err = w.sql.insertResult.Int(id).Text(r.Name).Int(w.now).Int(l.stage.id).Text(l.name).Int(l.id).
		Int(r.Payload.Size).TextOrNull(r.Payload.Ref).Exec()
	if err != nil {
		return err
	}
	w.count.results++
	w.count.resultsChanged = true
	return w.insertPayload(id, r.Payload.Data)
}

// namesFree says whether what a commit makes can have its names.
func (w *writer) namesFree(c *store.Commit) error {
	for i := range c.Items {
		if stage := w.count.byName[c.Items[i].Stage]; stage != nil {
			taken, err := w.sql.itemByName.Int(stage.id).Text(c.Items[i].Name).Row(func() {})
			if err != nil {
				return err
			}
			if taken {
				return store.ErrNameTaken
			}
		}
	}
	for i := range c.Results {
		taken, err := w.sql.resultByName.Text(c.Results[i].Name).Row(func() {})
		if err != nil {
			return err
		}
		if taken {
			return store.ErrNameTaken
		}
	}
	if c.Doubled() {
		return store.ErrNameTaken
	}
	return nil
}
