package election

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// A session is one elector's life in a slot of the table. It never comes back: who has lost it begins another one.
type session struct {
	// Revision of the slot, which only grows.
	Revision uint64 `json:"revision"`
	// ID is unique, and "" where nobody was yet.
	ID     string `json:"id"`
	Member string `json:"member"`
	// Address that others reach the member at, for the one who follows the leader.
	Address string `json:"address,omitempty"`
	// DurationMS of its lease, in milliseconds: whoever waits for a sign of life waits so long, whatever lease is his own.
	DurationMS int64 `json:"duration_ms"`
	// Ready to be handed a seat.
	Ready bool `json:"ready"`
	// Ended sessions hold nothing any more.
	Ended bool `json:"ended,omitempty"`
}

// seats that change together, by the names of their elections.
type seats struct {
	Revision uint64          `json:"revision"`
	Seats    map[string]seat `json:"seats"`
}

// A seat is what an election is about.
type seat struct {
	// Session that holds it, in a slot; "" if nobody does.
	Session string `json:"session,omitempty"`
	Slot    int    `json:"slot"`
	Member  string `json:"member,omitempty"`
	// Term grows with each holder, and is its fencing token.
	Term uint64 `json:"term"`
}

// ShardName is that of an election of a set.
func ShardName(set string, shard int) string { return set + "/" + strconv.Itoa(shard) }

func decode[T any](r store.Record) (v T, err error) {
	if r.Value == nil {
		return v, nil
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return v, fmt.Errorf("the record %s is not an elector's: %w", r.Key, err)
	}
	return v, nil
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil { // plain data
		panic(err)
	}
	return raw
}
