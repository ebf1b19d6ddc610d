package configfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a file must be left alone before it is read, so that one that is being written is not read half.
	settle = 100 * time.Millisecond
	// lookAgain is for file systems that do not tell of changes (NFS, some CSI drivers).
	lookAgain = 15 * time.Second
)

// Watch reloads the file whenever it changes, until ctx ends: when it is written, when another is renamed over it, when the directory that it is a link into is swapped (Kubernetes' ConfigMaps), and on SIGHUP (Nomad's templates).
func (f *File[T]) Watch(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		f.log.Warn("configuration is watched by looking at it from time to time", "path", f.path, "error", err.Error())
		return f.poll(ctx, hangup, nil, nil)
	}
	defer watcher.Close()
	// The directory, and not the file: a rename puts another file in its place, and a watch would stay with the old one.
	if err := watcher.Add(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("watch configuration %s: %w", f.path, err)
	}
	return f.poll(ctx, hangup, watcher.Events, watcher.Errors)
}

func (f *File[T]) poll(ctx context.Context, hangup <-chan os.Signal, events <-chan fsnotify.Event, failures <-chan error) error {
	settled := time.NewTimer(0) // once at the start: the file may have changed between Open and Watch
	defer settled.Stop()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			if f.concerns(event.Name) {
				settled.Reset(settle)
			}
		case err := <-failures:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				settled.Reset(settle)
			}
		case <-hangup:
			settled.Reset(0)
		case <-again.C:
			settled.Reset(0)
		case <-settled.C:
			if f.fresh() { // a late notice of an earlier change may come in the middle of the next one
				settled.Reset(settle)
				continue
			}
			_ = f.Reload() // logged and counted there
		}
	}
}

// concerns tells whether a change in the directory may be a change of the file. "..data" is the link that Kubernetes swaps. Other files may change all the time, and must not keep this one from settling.
func (f *File[T]) concerns(changed string) bool {
	base := filepath.Base(changed)
	return base == filepath.Base(f.path) || base == "..data"
}

// fresh tells whether the file has been written just now, and so may not be complete.
func (f *File[T]) fresh() bool {
	info, err := os.Stat(f.path)
	if err != nil {
		return false // Reload says it
	}
	age := time.Since(info.ModTime())
	return age >= 0 && age < settle
}
