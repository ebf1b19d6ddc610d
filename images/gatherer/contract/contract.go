// Package contract is what a gatherer and those around it say to each other: the headers of a request to a leaf, the
// coverage of an answer, and the bodies that a merge container gets. It is for everybody who writes a leaf, a merge or a
// client in Go; openapi.yaml says the same to all others.
package contract

// Headers of requests.
const (
	// HeaderDeadline is how many milliseconds are left for the answer. A client may send it to shorten its request's deadline;
	// to a leaf, a merge or a parent it is what is left there.
	HeaderDeadline = "Pattern-Deadline"
	// HeaderShard is the number of the leaf's shard, from 0, and HeaderShards how many there are.
	HeaderShard  = "Pattern-Shard"
	HeaderShards = "Pattern-Shards"
	// HeaderAttempt counts the attempts at this shard: 1 is the first, others are retries and hedges.
	HeaderAttempt = "Pattern-Attempt"
	// HeaderAsk names the shards that a parent is asked for: "0-3,7". Without it, all of its own.
	HeaderAsk = "Pattern-Ask"
	// HeaderLevel is the level of the parent that is asked; a root (level 0) gets none. An answer to such a request is a part
	// and not yet the client's.
	HeaderLevel = "Pattern-Level"
	// HeaderTree asks a parent not for a part but for the state of the tree below it, as the root's page shows it. It is not
	// passed on from clients, and a root does not know it.
	HeaderTree = "Pattern-Tree"
)

// Headers of answers; trailers as well where an answer is streamed.
const (
	// HeaderCoverage is "7/8": answered shards of those that were asked.
	HeaderCoverage = "Pattern-Coverage"
	// HeaderMissing names the shards that are missing, each with its reason, as a list of RFC 9651:
	// `3;reason="timeout", 5;reason="status 500"`.
	HeaderMissing = "Pattern-Missing"
)

// Coverage says of how much of the whole an answer is.
type Coverage struct {
	// Shards that were asked, and how many of them have answered.
	Shards   int `json:"shards"`
	Answered int `json:"answered"`
	// Complete answers have no missing shards.
	Complete bool `json:"complete"`
	// Missing are sorted by their shards.
	Missing []Missing `json:"missing,omitempty"`
}

// Missing is a shard without an answer.
type Missing struct {
	// Shard is its number; behind a target that is itself a scatter/gather, TARGET/NUMBER.
	Shard string `json:"shard"`
	// Reason is one line: "timeout", "no replica", "status 500", "connection refused", "too large".
	Reason string `json:"reason"`
}

// Envelope is the client's answer of the mergers that make JSON.
type Envelope[T any] struct {
	Coverage Coverage `json:"coverage"`
	Results  T        `json:"results"`
}
