// Package elector treats leader election as its worst day would: real electors on a real backend, which are stopped, killed, cut
// off and have clocks that go wrong, beside clients that write down whatever they were told and what a resource has taken from
// them. Afterwards all of it must be what one leader after the other could have done.
package elector

import (
	"slices"
	"sync"
	"time"
)

// Kind of an operation.
type Kind string

// The kinds.
const (
	// Claim: an elector has said that it leads.
	Claim Kind = "claim"
	// Verify: an elector has said which term there is, for certain.
	Verify Kind = "verify"
	// Follow: an elector has said that it does not lead, and what term it knows.
	Follow Kind = "follow"
	// Write to the resource that an election is about, and Read of it.
	Write Kind = "write"
	Read  Kind = "read"
)

// An Operation has begun and ended; what had no answer is none.
type Operation struct {
	Election string `json:"election"`
	Kind     Kind   `json:"kind"`
	// Client that did it, and the elector that it asked, whose every start is another Life.
	Client  int `json:"client"`
	Elector int `json:"elector"`
	Life    int `json:"life"`
	// Call and Return are times since the history began.
	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
	// Term that was told, or that was written with, or that the resource had it from.
	Term  uint64 `json:"term"`
	Value uint64 `json:"value,omitempty"`
	// Accepted tells of a write.
	Accepted bool `json:"accepted,omitempty"`
}

// history is what was done by all clients.
type history struct {
	began time.Time
	mu    sync.Mutex
	all   []Operation
}

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() time.Duration { return time.Since(h.began) }

// note an operation that ends now.
func (h *history) note(o Operation) {
	o.Return = h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, o)
}

func (h *history) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

func (h *history) operations() []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}
