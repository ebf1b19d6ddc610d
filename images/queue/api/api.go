// Package api is the queue server's HTTP API as Go sees it: requests, answers and limits. openapi.yaml beside it says the
// same for everybody else; a test compares them.
//
// The vocabulary is that of Amazon SQS: an item is *received* by a worker and then invisible to others until its
// *visibility timeout*; the worker *extends* that, and in the end *acknowledges* (ack) the item together with its outputs,
// or gives it back (nack), at once, after a *delay*, or for good as a *dead letter*, which can be *redriven*.
//
// Delivery is at least once. Effects are exactly once: a lease names the item and its epoch; only the lease of the newest
// epoch is taken by ack, and outputs exist from that moment on.
//
//	who      request                                     body -> answer
//	client   POST   /v1/items                            EnqueueRequest -> EnqueueAnswer
//	client   PUT    /v1/items/{name...}                  content -> Enqueued      ?stage= &priority= &delay= &group= &deduplication_id=
//	client   GET    /v1/stages/{stage}/items             -> ItemsAnswer           ?state= &after= &limit= (100, at most 1000)
//	client   GET    /v1/stages/{stage}/items/{name...}   -> ItemDetail
//	client   GET    /v1/stages/{stage}/content/{name...} -> content of the item
//	client   POST   /v1/stages/{stage}/redrive           SelectRequest -> CountAnswer
//	client   POST   /v1/stages/{stage}/purge             SelectRequest -> CountAnswer
//	client   GET    /v1/outputs                          -> OutputsAnswer         ?after= &limit=
//	client   GET    /v1/outputs/{name...}                -> content
//	client   GET    /v1/status                           -> Status                ?wait=30s&since=VERSION (long poll)
//	client   GET    /v1/history                          -> History
//	worker   POST   /v1/stages/{stage}/receive           ReceiveRequest -> ReceiveAnswer   (long poll)
//	worker   POST   /v1/leases/extend                    ExtendRequest -> ResultsAnswer
//	worker   POST   /v1/leases/ack                       AckRequest -> ResultsAnswer
//	worker   POST   /v1/leases/nack                      NackRequest -> ResultsAnswer
//	both     POST   /v1/payloads                         content -> PayloadAnswer
//	worker   GET    /v1/payloads/{ref...}                -> content
//	nobody   GET    /, /assets/..., /v1/openapi.yaml     the page and the document need no token
//
// Every request but the last line's carries "Authorization: Bearer TOKEN". Every failure is an Error with its status.
package api

import (
	"strings"
	"time"
)

// Limits of names and batches that do not depend on the configuration.
const (
	// MaxNameBytes of an item's or output's name. A name is UTF-8, of segments divided by single slashes, none of which is
	// empty, "." or ".."; control characters and NUL are refused.
	MaxNameBytes = 1024
	// MaxIDBytes of a group and of a deduplication ID.
	MaxIDBytes = 128
	// MaxPriority is the most urgent; 0 the least, and the default is 4.
	MaxPriority     = 9
	DefaultPriority = 4
	// MaxWait of a long poll.
	MaxWait = 30 * time.Second
	// MaxDelay of an item.
	MaxDelay = 30 * 24 * time.Hour
	// ErrorTailBytes of standard error are kept with a failure.
	ErrorTailBytes = 4096
)

// State of an item.
type State string

// The states.
const (
	Waiting  State = "waiting"   // to be received
	Delayed  State = "delayed"   // waiting from a time on: a delay, or the backoff of a retry
	Blocked  State = "blocked"   // behind an earlier item of its group
	InFlight State = "in_flight" // received, neither acknowledged nor given back
	Done     State = "done"
	Dead     State = "dead" // a dead letter
)

// States in the order of an item's life.
var States = []State{Blocked, Delayed, Waiting, InFlight, Done, Dead}

// Error is the answer of a request that failed, and of an entry of a batch that failed.
type Error struct {
	// Code is for programs: "unauthorized", "forbidden", "invalid", "not_found", "too_large", "too_many_requests",
	// "lease_lost", "name_taken", "no_space", "unavailable", "internal".
	Code string `json:"code"`
	// Message says what is wrong, where, and what to do.
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// EnqueueRequest pushes items, durably and in one step: after the answer they survive everything.
type EnqueueRequest struct {
	Items []NewItem `json:"items"`
}

// NewItem is one item to push. At most one of Data, Text and Payload.
type NewItem struct {
	// Name is unique in its stage: pushing a name again is answered as a duplicate and changes nothing. Default: a new
	// one, sorted by time.
	Name string `json:"name,omitempty"`
	// Stage to push to. Default: all stages that are fed by the source.
	Stage string `json:"stage,omitempty"`
	Data  []byte `json:"data,omitempty"` // base64 in JSON
	Text  string `json:"text,omitempty"`
	// Payload refers to content that was uploaded by POST /v1/payloads.
	Payload string `json:"payload,omitempty"`
	// Priority is 0 to 9, nil is 4.
	Priority *int `json:"priority,omitempty"`
	// Delay until it can be received, as "90s".
	Delay string `json:"delay,omitempty"`
	// Group is worked on in order, one item at a time (SQS: message group).
	Group string `json:"group,omitempty"`
	// DeduplicationID: of items with the same one within the window only the first counts.
	DeduplicationID string `json:"deduplication_id,omitempty"`
}

// EnqueueAnswer has one entry for each item, in order.
type EnqueueAnswer struct {
	Items []Enqueued `json:"items"`
}

// Enqueued is what became of one item.
type Enqueued struct {
	Name string `json:"name"`
	// Duplicate says that it was there already, in all stages that it goes to.
	Duplicate bool   `json:"duplicate,omitempty"`
	Error     *Error `json:"error,omitempty"`
}

// ReceiveRequest asks for items, and waits for the first of them.
type ReceiveRequest struct {
	// Worker names the replica, Index is its number; both are shown, and scaling in goes by the index.
	Worker string `json:"worker"`
	Index  int    `json:"index"`
	// Max items, 1 to 100.
	Max int `json:"max"`
	// Wait for the first of them, as "20s", at most 30s.
	Wait string `json:"wait,omitempty"`
}

// ReceiveAnswer has up to Max leases.
type ReceiveAnswer struct {
	Leases []Lease `json:"leases"`
	// Drain says that this worker is about to be taken away and gets no more items.
	Drain bool `json:"drain,omitempty"`
}

// Lease is an item in the hands of a worker.
type Lease struct {
	// Lease is the token of this delivery: the item's ID and epoch.
	Lease string `json:"lease"`
	Name  string `json:"name"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// VisibleForMillis from the answer on: extend before.
	VisibleForMillis int64 `json:"visible_for_ms"`
	// Data is the content, or Payload says where it is: GET /v1/payloads/{payload}.
	Data    []byte `json:"data,omitempty"`
	Payload string `json:"payload,omitempty"`
	Size    int64  `json:"size"`
}

// ExtendRequest starts the visibility timeouts of leases anew.
type ExtendRequest struct {
	Leases []string `json:"leases"`
}

// AckRequest commits items with their outputs, each in one step.
type AckRequest struct {
	Items []Ack `json:"items"`
}

// Ack of one lease.
type Ack struct {
	Lease   string   `json:"lease"`
	Outputs []Output `json:"outputs,omitempty"`
}

// Output of an item: Data, or the Payload that was uploaded before.
type Output struct {
	Name    string `json:"name"`
	Data    []byte `json:"data,omitempty"`
	Payload string `json:"payload,omitempty"`
}

// NackRequest gives items back.
type NackRequest struct {
	Items []Nack `json:"items"`
}

// Nack of one lease.
type Nack struct {
	Lease string `json:"lease"`
	// Release: nothing was tried, so the attempt does not count; it is visible again at once.
	Release bool `json:"release,omitempty"`
	// Permanent makes it a dead letter, whatever attempts are left.
	Permanent bool `json:"permanent,omitempty"`
	// Delay until it is visible again, as "90s". Default: the stage's backoff.
	Delay string `json:"delay,omitempty"`
	// Failure is shown with the item.
	Failure Failure `json:"failure,omitzero"`
}

// Failure is why an attempt failed.
type Failure struct {
	// Reason is one line: "exit code 1", "timeout after 5m0s", "lease expired".
	Reason   string `json:"reason,omitempty"`
	ExitCode *int   `json:"exit_code,omitempty"`
	// ErrorTail is the end of standard error.
	ErrorTail string `json:"error_tail,omitempty"`
	Worker    string `json:"worker,omitempty"`
}

// Why is the reason with the last line of standard error, of which at most so many bytes.
func (f *Failure) Why(most int) string {
	if f == nil {
		return "no reason was given"
	}
	tail := strings.TrimSpace(f.ErrorTail)
	last := strings.TrimSpace(tail[strings.LastIndexByte(tail, '\n')+1:])
	if last == "" {
		return f.Reason
	}
	return f.Reason + ": " + strings.ToValidUTF8(last[:min(len(last), most)], "")
}

// ResultsAnswer has one entry for each entry of the request, in order: nil where it succeeded.
type ResultsAnswer struct {
	Results []*Error `json:"results"`
}

// PayloadAnswer names uploaded content. It must be referred to by an item or an output within an hour.
type PayloadAnswer struct {
	Payload string `json:"payload"`
	Size    int64  `json:"size"`
	// SHA256 in hexadecimal.
	SHA256 string `json:"sha256"`
}

// Item as it is listed.
type Item struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Priority int       `json:"priority"`
	Group    string    `json:"group,omitempty"`
	Attempt  int       `json:"attempt"`
	Size     int64     `json:"size"`
	Created  time.Time `json:"created"`
	// Changed is when it came into its state.
	Changed time.Time `json:"changed"`
	// Due is when a delay or a visibility timeout ends.
	Due     *time.Time `json:"due,omitempty"`
	Worker  string     `json:"worker,omitempty"`
	Failure *Failure   `json:"failure,omitempty"`
}

// ItemsAnswer is one page; After continues it, and is empty at the end.
type ItemsAnswer struct {
	Items []Item `json:"items"`
	After string `json:"after,omitempty"`
}

// ItemDetail is an item with its lineage.
type ItemDetail struct {
	Item
	Stage string `json:"stage"`
	// Input is what it was made from; nil if it came from outside.
	Input *Reference `json:"input,omitempty"`
	// Outputs are the items of later stages, and outputs of the pipeline, that were made from it.
	Outputs []Reference `json:"outputs,omitempty"`
}

// Reference to an item, or, without a stage, to an output of the pipeline.
type Reference struct {
	Stage string `json:"stage,omitempty"`
	Name  string `json:"name"`
	State State  `json:"state,omitempty"`
}

// SelectRequest chooses items of a stage: names, or all of a state. Redrive takes dead ones only.
type SelectRequest struct {
	Names []string `json:"names,omitempty"`
	// State for purge: all items of it. In flight ones are never purged.
	State State `json:"state,omitempty"`
	// All dead letters, for redrive.
	All bool `json:"all,omitempty"`
}

// CountAnswer says how many it were.
type CountAnswer struct {
	Count int `json:"count"`
}

// PipelineOutput is an output of a last stage.
type PipelineOutput struct {
	Name string `json:"name"`
	// Stage and Item are what it was made by and from.
	Stage   string    `json:"stage"`
	Item    string    `json:"item"`
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
	// Exported says that it is in the sink.
	Exported bool `json:"exported"`
}

// OutputsAnswer is one page; After continues it, and is empty at the end.
type OutputsAnswer struct {
	Outputs []PipelineOutput `json:"outputs"`
	After   string           `json:"after,omitempty"`
}

// Status is the pipeline at a glance.
type Status struct {
	Instance string `json:"instance"`
	// Version grows with each change; it is for long polls.
	Version int64 `json:"version"`
	// Stages in the order of the pipeline.
	Stages []StageStatus `json:"stages"`
	Source SourceStatus  `json:"source"`
	Sink   *SinkStatus   `json:"sink,omitempty"`
	// Drained says that a finite source has been read to its end, nothing is left to do, and everything is in the sink.
	Drained bool `json:"drained"`
}

// StageStatus of one stage.
type StageStatus struct {
	Name   string          `json:"name"`
	From   []string        `json:"from"`
	Counts map[State]int64 `json:"counts"`
	// OldestSeconds is the age of the item that waits longest; 0 if none waits.
	OldestSeconds float64 `json:"oldest_seconds"`
	// PerSecond is how many were done, lately.
	PerSecond float64 `json:"per_second"`
	// Workers that were heard of in the last minute, and Wanted replicas; Wanted is nil if their number is fixed.
	Workers int  `json:"workers"`
	Wanted  *int `json:"wanted,omitempty"`
	// Removed says that the stage is no longer configured but has items.
	Removed bool `json:"removed,omitempty"`
}

// SourceStatus is how far sources are read.
type SourceStatus struct {
	// Finite says that there are sources and all of them end.
	Finite bool `json:"finite"`
	// Read says that all that end have been read to their end.
	Read  bool   `json:"read"`
	Items int64  `json:"items"`
	Error string `json:"error,omitempty"`
}

// SinkStatus is how far outputs are exported.
type SinkStatus struct {
	Exported int64  `json:"exported"`
	Pending  int64  `json:"pending"`
	Error    string `json:"error,omitempty"`
}

// History is the last hour, in steps.
type History struct {
	StepSeconds int `json:"step_seconds"`
	// End of the last step.
	End    time.Time      `json:"end"`
	Stages []StageHistory `json:"stages"`
}

// StageHistory has one number for each step, oldest first.
type StageHistory struct {
	Name  string    `json:"name"`
	Depth []int64   `json:"depth"` // waiting, delayed and blocked at the end of the step
	Done  []float64 `json:"done"`  // per second
	Dead  []int64   `json:"dead"`
}

// Report is the line of progress that the server writes to its log, as the attribute "report" of the message "progress".
type Report struct {
	// Counts by stage.
	Counts map[string]map[State]int64 `json:"counts"`
	// Outputs of the last stages so far.
	Outputs int64 `json:"outputs"`
	// Read and Drained are those of Status.
	Read    bool `json:"read"`
	Drained bool `json:"drained"`
	// Dead letters, at most five, oldest first: "STAGE NAME: REASON: last line of standard error".
	Dead []string `json:"dead,omitempty"`
	// Errors of the source and the sink.
	Errors []string `json:"errors,omitempty"`
}
