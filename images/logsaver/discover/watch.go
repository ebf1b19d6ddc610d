package discover

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Watcher tells when something in a directory has come, gone or been renamed. It saves waiting, no more: network
// filesystems send no notices, so whoever uses it must also look by himself.
type Watcher struct {
	file  *os.File
	fd    int
	known map[string]int32
	// C has room for one notice.
	C chan struct{}
}

// NewWatcher fails where the kernel has no more inotify instances to give; polling goes on without it.
func NewWatcher() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch directories: %w", err)
	}
	w := &Watcher{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, known: map[string]int32{}, C: make(chan struct{}, 1)}
	go w.read()
	return w, nil
}

func (w *Watcher) read() {
	buffer := make([]byte, 4096)
	for {
		if _, err := w.file.Read(buffer); err != nil {
			return
		}
		select {
		case w.C <- struct{}{}:
		default:
		}
	}
}

// Watch replaces the set of directories. It reports whether all of them are watched.
func (w *Watcher) Watch(dirs []string) bool {
	const events = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ONLYDIR
	all, wanted := true, map[string]bool{}
	for _, dir := range dirs {
		wanted[dir] = true
		// Adding again is harmless, and needed when the directory was made anew.
		number, err := unix.InotifyAddWatch(w.fd, dir, events)
		if err != nil {
			all = false
			continue
		}
		w.known[dir] = int32(number)
	}
	for dir, number := range w.known {
		if !wanted[dir] {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(number))
			delete(w.known, dir)
		}
	}
	return all
}

// Close ends the watch.
func (w *Watcher) Close() error { return w.file.Close() }
