// Package install copies the worker to where a developer's container finds it.
package install

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Name of the installed program.
const Name = "worker"

// To copies this program into a folder, which is made if need be, as Name: whole or not at all, executable by all. Who
// runs the one that was there before goes on undisturbed.
func To(folder string) (err error) {
	source, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("install: read this program: %w", err)
	}
	defer source.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // any user of the container enters it
		return fmt.Errorf("install: %w", err)
	}
	target, err := os.CreateTemp(folder, "."+Name+"-*")
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	defer func() {
		if err != nil {
			_ = target.Close()
			_ = os.Remove(target.Name())
		}
	}()
	if _, err := io.Copy(target, source); err != nil {
		return fmt.Errorf("install: write %s: %w", target.Name(), err)
	}
	if err := target.Chmod(0o755); err != nil { //nolint:gosec // it is a program
		return fmt.Errorf("install: %w", err)
	}
	if err := target.Close(); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	if err := os.Rename(target.Name(), filepath.Join(folder, Name)); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}
