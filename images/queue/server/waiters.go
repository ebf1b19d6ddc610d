package server

import (
	"slices"
	"sync"
)

// waiters are long polls, by stage, in the order in which they came. One who is woken tries, and wakes two more where it
// was given something: so that many items wake many, and one item does not wake all. Nobody keeps a turn without trying:
// who cannot try hands it on.
type waiters struct {
	mu  sync.Mutex
	all map[string][]chan struct{}
}

// join the end of a stage's line. The channel is closed when it is this one's turn.
func (w *waiters) join(stage string) chan struct{} {
	c := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string][]chan struct{}{}
	}
	w.all[stage] = append(w.all[stage], c)
	return c
}

// leave the line. One that was woken and does not try hands its turn on.
func (w *waiters) leave(stage string, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.all[stage], c); i >= 0 {
		w.all[stage] = slices.Delete(w.all[stage], i, i+1)
		return
	}
	w.next(stage)
}

// wake some who wait.
func (w *waiters) wake(stage string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		w.next(stage)
	}
}

func (w *waiters) next(stage string) {
	if line := w.all[stage]; len(line) > 0 {
		close(line[0])
		line[0] = nil
		w.all[stage] = line[1:]
	}
}
