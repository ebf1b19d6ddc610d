// Package api is the elector's API on localhost: its paths, and what goes to and fro.
package api

import _ "embed"

// Document describes it in OpenAPI.
//
//go:embed openapi.yaml
var Document []byte

// Election is what this elector knows of one.
type Election struct {
	// Name; of a set's election SET/SHARD.
	Name string `json:"name"`
	// Leader is the member that leads; empty if none does, or none for certain.
	Leader string `json:"leader"`
	// Address that the leader said it is reached at; empty if it said none.
	Address string `json:"address,omitempty"`
	// Self tells whether the caller's own group leads.
	Self bool `json:"self"`
	// Term grows with each leader. It is the fencing token of the one that leads now.
	Term uint64 `json:"term"`
	// ExpiresInMS is for how long Self holds without another renewal, in milliseconds; 0 where Self is false.
	ExpiresInMS int64 `json:"expires_in_ms"`
	// Index of changes, to wait for the next one with.
	Index uint64 `json:"index"`
}

// Set is all elections of one.
type Set struct {
	Name string `json:"name"`
	// Shards of which the caller's own group leads the election.
	Own []int `json:"own"`
	// Elections in the order of their shards.
	Elections []Election `json:"elections"`
	Index     uint64     `json:"index"`
}

// Stand for an election, or do so no more.
type Stand struct {
	Stand bool `json:"stand"`
}

// Verify a token.
type Verify struct {
	Token uint64 `json:"token"`
}

// Verified says what is known of a token.
type Verified struct {
	// Valid: no later leader is known.
	Valid bool `json:"valid"`
	// Term of the election now.
	Term uint64 `json:"term"`
}

// Error says what is wrong.
type Error struct {
	Error string `json:"error"`
	// Election as it is, where that is why.
	Election *Election `json:"election,omitempty"`
}

// Old is what the leader-elector container of Kubernetes' contrib repository has answered with at "/".
type Old struct {
	Name string `json:"name"`
}

// HeaderToken is where a client of a resource that checks tokens says its own: TERM, decimal.
const HeaderToken = "Fencing-Token"

// HandOver is what has come of an election that an elector was asked to hand over by its command ("elector hand-over").
type HandOver struct {
	Outcome Outcome `json:"outcome"`
	// From is who has led before.
	From string `json:"from,omitempty"`
	// Election as it is now.
	Election Election `json:"election"`
}

// Outcome of a hand-over.
type Outcome string

// Outcomes.
const (
	// HandedOver: another one leads, or the one that was wished for did already.
	HandedOver Outcome = "handed-over"
	// Elsewhere: another one leads than the elector that was asked; nothing has changed.
	Elsewhere Outcome = "elsewhere"
	// Leaderless: nobody leads, or nobody for certain; nothing has changed.
	Leaderless Outcome = "leaderless"
	// Unready: the member that was wished for is not there, or not ready, or nobody is; nothing has changed.
	Unready Outcome = "unready"
	// Unfollowed: the leader has resigned, and nobody else has taken over: it leads again, or nobody does yet.
	Unfollowed Outcome = "unfollowed"
)
