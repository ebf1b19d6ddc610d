package queue

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// The stages of the pipeline.
const (
	stageA = "a"
	stageB = "b"
)

func itemName(i int) string { return fmt.Sprintf("item-%07d", i) }

func itemNumber(name string) (int, bool) {
	i, err := strconv.Atoi(strings.TrimPrefix(name, "item-"))
	return i, err == nil && itemName(i) == name
}

// entry is what is known of one item in one stage.
type entry struct {
	// effects are how often somebody has worked on it.
	effects int32
	// granted are acknowledgements, of different leases, that the server took; work is that of the last one.
	granted int32
	work    int64
	// open is work of which nobody knows whether it was taken.
	open []int64
}

// ledger is what the harness knows without the queue.
type ledger struct {
	mu     sync.Mutex
	pushed []bool // acknowledged
	stages map[string][]entry
	// refused are acknowledgements that the server did not take, as they came too late.
	refused int
	strange []string
	// progress counts what was taken; failed is the last failure of a push.
	progress int
	failed   error
}

func newLedger(items int) *ledger {
	return &ledger{pushed: make([]bool, items), stages: map[string][]entry{stageA: make([]entry, items), stageB: make([]entry, items)}}
}

func (l *ledger) state() (progress int, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress, l.failed
}

// note does something with the entry of an item.
func (l *ledger) note(stage, name string, f func(*entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := itemNumber(name)
	if !ok || i >= len(l.pushed) {
		l.strange = append(l.strange, fmt.Sprintf("item %q of stage %s was received", name, stage))
		return
	}
	f(&l.stages[stage][i])
}
