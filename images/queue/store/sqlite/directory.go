package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// makeDirectory with those above it that are missing, durably: SQLite syncs the names in its directory, but not the
// directory's own name, and without that a loss of power takes the whole queue away.
func makeDirectory(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the queue's directory: %w", err)
	}
	d, err := os.Open(parent)
	if err != nil {
		return fmt.Errorf("sync %s: %w", parent, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s, which holds the queue's directory: %w", parent, err)
	}
	return nil
}
