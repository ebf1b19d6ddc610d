// Package changes hands out which stages have changed to one reader who may be slower than the changes.
package changes

import (
	"sync"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// A Hub merges changes of a stage until they are read. Close it.
type Hub struct {
	out  chan store.Change
	wake chan struct{}
	done chan struct{}
	gone chan struct{}

	mu      sync.Mutex
	waiting map[string]bool // by stage that has changed: whether items have begun to wait
	order   []string
}

// New hub.
func New() *Hub {
	h := &Hub{
		out: make(chan store.Change), wake: make(chan struct{}, 1),
		done: make(chan struct{}), gone: make(chan struct{}), waiting: map[string]bool{},
	}
	go h.run()
	return h
}

// Add a change.
func (h *Hub) Add(stage string, waiting bool) {
	h.mu.Lock()
	was, there := h.waiting[stage]
	h.waiting[stage] = was || waiting
	if !there {
		h.order = append(h.order, stage)
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Changes to read. The channel is closed by Close.
func (h *Hub) Changes() <-chan store.Change { return h.out }

// Close the hub; what was not read is dropped.
func (h *Hub) Close() {
	close(h.done)
	<-h.gone
}

func (h *Hub) run() {
	defer close(h.gone)
	defer close(h.out)
	for {
		select {
		case <-h.wake:
		case <-h.done:
			return
		}
		for h.more() {
			select {
			case h.out <- h.take():
			case <-h.done:
				return
			}
		}
	}
}

func (h *Hub) more() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.order) > 0
}

// take takes the first change out.
func (h *Hub) take() store.Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	stage := h.order[0]
	h.order = h.order[1:]
	waiting := h.waiting[stage]
	delete(h.waiting, stage)
	return store.Change{Stage: stage, Waiting: waiting}
}
