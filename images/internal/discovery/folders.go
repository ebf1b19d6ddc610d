package discovery

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// A hub watches folders for all files of a Follower: a gatherer has hundreds of them, and Linux lets a user have 128 watchers on a
// machine by default. The zero value is ready; there is a watcher as long as there are members.
type hub struct {
	mu      sync.Mutex
	watcher *fsnotify.Watcher
	members map[string]map[chan string]bool // by folder
}

// join those who are told the names of files that change in a folder; an empty name means that something was missed. The channel
// has to be read until leave.
func (h *hub) join(folder string) (events <-chan string, leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watcher == nil {
		watcher, err := fsnotify.NewWatcher()
		if err != nil {
			return nil, nil, fmt.Errorf("watch %s: %w", folder, err)
		}
		h.watcher, h.members = watcher, map[string]map[chan string]bool{}
		go h.tell(watcher)
	}
	if h.members[folder] == nil {
		if err := h.watcher.Add(folder); err != nil {
			h.closeIfIdle()
			return nil, nil, fmt.Errorf("watch %s: %w", folder, err)
		}
		h.members[folder] = map[chan string]bool{}
	}
	member := make(chan string, 16)
	h.members[folder][member] = true
	return member, func() { h.leave(folder, member) }, nil
}

func (h *hub) leave(folder string, member chan string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members[folder], member)
	if len(h.members[folder]) == 0 {
		delete(h.members, folder)
		_ = h.watcher.Remove(folder) // it may be gone itself
	}
	h.closeIfIdle()
}

func (h *hub) closeIfIdle() {
	if len(h.members) == 0 {
		_ = h.watcher.Close()
		h.watcher = nil
	}
}

func (h *hub) tell(watcher *fsnotify.Watcher) {
	for {
		select {
		case event, ok := <-watcher.Events:
			if !ok {
				return
			}
			h.spread(watcher, event.Name)
		case _, ok := <-watcher.Errors: // most often that there were too many events
			if !ok {
				return
			}
			h.spread(watcher, "")
		}
	}
}

func (h *hub) spread(watcher *fsnotify.Watcher, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watcher != watcher {
		return
	}
	for folder, members := range h.members {
		if name != "" && !within(name, folder) {
			continue
		}
		for member := range members {
			deliver(member, name)
		}
	}
}

// deliver without waiting. Who is behind looks at its file anyhow.
func deliver(member chan string, name string) {
	select {
	case member <- name:
		return
	default:
	}
	select {
	case <-member:
	default:
	}
	select {
	case member <- "":
	default:
	}
}

// within tells whether a file is in a folder, as fsnotify names it: the folder as it was added, and the name.
func within(name, folder string) bool { return filepath.Dir(name) == filepath.Clean(folder) }
