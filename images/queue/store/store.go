// Package store is what the queue server asks of a database. There are two: package sqlite (one file, one server) and
// package postgres (any number of servers); one conformance suite, in package storetest, holds for both.
//
// An acknowledged change survives SIGKILL and power loss. Calls of many clients share one flush (group commit). Every call
// is one step: all of it happens or, on an error, nothing; results per entry are in the order of the request. A context
// that ends before a call has begun ends the call with nothing changed; what has begun is waited for.
//
// Groups: of the items of a group (in a stage) at most one, the head, is waiting, delayed or in flight, and the others are
// blocked. When the head is done, dead or purged, the blocked item of the lowest ID is the next head: it waits, or is
// delayed if its own delay has not passed. A head that is delayed (also by a retry) holds its group up, as order demands.
// A dead item that is redriven into a group with a head is blocked, in its place by ID.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// Store of one queue. It is safe for concurrent use. Stages need no declaration.
type Store interface {
	// Enqueue adds items. An item whose name its stage has, or whose deduplication ID its stage remembers, is a duplicate
	// and changes nothing; that holds within one call as well.
	Enqueue(ctx context.Context, items []NewItem) ([]Enqueued, error)

	// Receive leases up to r.Max waiting items: the highest priority first, then the lowest ID. It does not wait.
	Receive(ctx context.Context, r Receive) ([]Item, error)

	// Extend lets leases end at a later time; an earlier one than before changes nothing. An expired lease that nobody else
	// has received yet is in flight again. ErrLeaseLost per lease.
	Extend(ctx context.Context, leases []Lease, until time.Time) ([]error, error)

	// Commit ends items as done, each with what was made from it, in one step. ErrLeaseLost or ErrNameTaken per entry; an
	// entry that fails changes nothing. An expired lease that nobody else has received yet is still good. Deduplication
	// IDs of what was made are not looked at: its names are enough.
	Commit(ctx context.Context, commits []Commit) ([]error, error)

	// GiveBack ends leases without a commit. ErrLeaseLost per entry. An expired lease that nobody else has received yet is
	// still good. A failure stays with the item until it is done or the next failure replaces it.
	GiveBack(ctx context.Context, back []GiveBack) ([]error, error)

	// Tick lets delayed items that are due wait, and takes back leases that have ended: such an item waits again after
	// rule(stage).Delay(attempt), or is dead when its attempts are used up. At most limit items in one call; more says
	// that there were more. Next is when something is due; zero if nothing is.
	Tick(ctx context.Context, rule func(stage string) Rule, limit int) (next time.Time, more bool, err error)

	// Redrive lets dead items wait again, with all their attempts. Nil names are all dead ones of the stage. All are redriven
	// (and purged) in steps of some thousands, so that other calls are not held up: an error may come after some of them.
	Redrive(ctx context.Context, stage string, names []string) (int, error)
	// Purge removes items that are not in flight: those of the names, or all of a state.
	Purge(ctx context.Context, stage string, names []string, state api.State) (int, error)
	// Forget removes up to limit items that were done before a time. Results stay. Their number is returned.
	Forget(ctx context.Context, before time.Time, limit int) (int, error)

	// Get an item. ErrNotFound.
	Get(ctx context.Context, stage, name string) (*Item, error)
	// Family is what an item was made from (nil if from outside or forgotten), and what was made from it.
	Family(ctx context.Context, id int64) (input *Item, items []Item, results []Result, err error)
	// List items of a stage by ID, of one state or (empty) of all. List and Family leave Payload.Data out.
	List(ctx context.Context, q Query) ([]Item, error)
	// Results of the pipeline by ID; with Payload.Data unless the query is Brief.
	Results(ctx context.Context, q ResultQuery) ([]Result, error)
	// Result by name. ErrNotFound.
	Result(ctx context.Context, name string) (*Result, error)
	// Exported marks results as being in the sink.
	Exported(ctx context.Context, ids []int64) error

	// Stats are read from counters: their cost does not depend on the number of items.
	Stats(ctx context.Context) (Stats, error)

	// Mark and SetMark keep small facts, such as how far a source was read: "" where there is none.
	Mark(ctx context.Context, key string) (string, error)
	SetMark(ctx context.Context, key, value string) error
	// Hold makes the holder the only one of a role until ttl from now, or says that it is another. It renews as well.
	// Server processes use it to elect who reads sources, exports and scales.
	Hold(ctx context.Context, role, holder string, ttl time.Duration) (bool, error)
	// Unhold gives a role up.
	Unhold(ctx context.Context, role, holder string) error

	// Referenced tells which payload references are used by an item or a result, so that others can be deleted.
	Referenced(ctx context.Context, refs []string) (map[string]bool, error)

	// Changed yields the names of stages in which items have begun to wait, also by other servers' doing, and of those
	// whose counters have changed in any way; "" stands for the results, made or exported. It may yield too often and never too seldom; slow readers get a stage once.
	Changed() <-chan Change

	// Close waits for calls that are running.
	Close() error
}

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("not found")
	// ErrLeaseLost: the item was received again, given back, ended, or purged since.
	ErrLeaseLost = errors.New("lease lost")
	// ErrNameTaken: another item or result of that name is there, or is made by the same commit.
	ErrNameTaken = errors.New("name taken")
	// ErrNoSpace: the disk is full. Nothing was changed; the store goes on when there is room.
	ErrNoSpace = errors.New("no space left")
	// ErrUnavailable: the database cannot be reached, or was lost in between; whether the call had an effect is not known.
	ErrUnavailable = errors.New("store unavailable")
)

// Options of both stores.
type Options struct {
	// Now is the time by which delays and leases are kept. It never goes back (see package clock).
	Now func() time.Time
	// DeduplicationWindow is asked with each use, as it can change.
	DeduplicationWindow func() time.Duration
}

// Payload of an item or a result: Data in the store itself, or Ref to where it is.
type Payload struct {
	Data []byte
	// Ref is "blob:..." for what the server keeps, "source:..." for an object of the bucket that is the source.
	Ref  string
	Size int64
}

// NewItem to enqueue. Names are valid.
type NewItem struct {
	Stage, Name     string
	Priority        int
	Delay           time.Duration
	Group           string
	DeduplicationID string
	Payload         Payload
}

// Enqueued is what became of it.
type Enqueued struct {
	ID        int64 // of the item, or of the one that was there
	Duplicate bool
}

// Receive asks for items of a stage.
type Receive struct {
	Stage  string
	Worker string
	Index  int
	Max    int
	// Until is when the leases end.
	Until time.Time
}

// Lease is one delivery of an item.
type Lease struct {
	ID int64
	// Epoch counts the deliveries of the item: only the newest can commit.
	Epoch int64
}

// Item of a stage.
type Item struct {
	Lease
	Stage, Name string
	State       api.State
	Priority    int
	Group       string
	// Attempt counts the deliveries that were not released, the present one included.
	Attempt int
	Payload Payload
	Created time.Time
	// Changed is when it came into its state, Due when a delay (also one behind its group) or a lease ends (else zero).
	Changed, Due time.Time
	// Worker and Index are who received it last.
	Worker string
	Index  int
	// Input is the ID of the item that it was made from; 0 from outside.
	Input   int64
	Failure *api.Failure
}

// Commit of one item, with what was made from it.
type Commit struct {
	Lease Lease
	// Items for later stages, and Results of the pipeline.
	Items   []NewItem
	Results []NewResult
}

// NewResult is an output of the pipeline. Names are unique.
type NewResult struct {
	Name    string
	Payload Payload
}

// Result is an output of the pipeline.
type Result struct {
	ID       int64
	Name     string
	Payload  Payload
	Created  time.Time
	Exported bool
	// Stage, Item and Input (the item's ID) are what it was made by and from; they stay when the item is forgotten.
	Stage, Item string
	Input       int64
}

// GiveBack of one item: exactly one of Release, Dead and (else) a retry after Delay.
type GiveBack struct {
	Lease Lease
	// Release lets it wait at once, and its attempt does not count.
	Release bool
	Dead    bool
	Delay   time.Duration
	Failure *api.Failure
}

// Rule of a stage, for leases that end by themselves.
type Rule struct {
	MaxAttempts int
	Delay       func(attempt int) time.Duration
}

// Query of items.
type Query struct {
	Stage string
	State api.State
	// After an ID, exclusive.
	After int64
	Limit int
}

// ResultQuery of results.
type ResultQuery struct {
	After int64
	Limit int
	// Unexported only.
	Unexported bool
	// Brief leaves Payload.Data out.
	Brief bool
}

// Stats are the counters.
type Stats struct {
	Stages map[string]StageStats
	// Results and those of them that are exported.
	Results, Exported int64
}

// StageStats of one stage.
type StageStats struct {
	Counts map[api.State]int64
	// Oldest is when the item that waits longest began to; zero if none waits.
	Oldest time.Time
	// DoneTotal and DeadTotal count all that ever were, also those forgotten or redriven.
	DoneTotal, DeadTotal int64
}

// Change of a stage.
type Change struct {
	Stage string
	// Waiting says that an item has begun to wait.
	Waiting bool
}

// Doubled says that what a commit makes has the same name twice.
func (c *Commit) Doubled() bool {
	if len(c.Items)+len(c.Results) < 2 {
		return false
	}
	seen := make(map[[2]string]bool, len(c.Items)+len(c.Results))
	for i := range c.Items {
		seen[[2]string{"items " + c.Items[i].Stage, c.Items[i].Name}] = true
	}
	for i := range c.Results {
		seen[[2]string{"results", c.Results[i].Name}] = true
	}
	return len(seen) < len(c.Items)+len(c.Results)
}
