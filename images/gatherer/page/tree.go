package page

import "github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"

// Node is a gatherer as GET /tree tells of it, with all that is below it. Times are in seconds.
type Node struct {
	Name  string `json:"name"`
	Level int    `json:"level"`
	Depth int    `json:"depth"`
	// Instance is the process, as opposed to its place in the tree.
	Instance string `json:"instance,omitempty"`
	Version  string `json:"version,omitempty"`
	// Shards below this node, as "0-3,7", and Count of the whole tree.
	Shards string `json:"shards"`
	Count  int    `json:"shard_count"`
	// Require is the least coverage of an answer. It is the root's to judge.
	Require string  `json:"require,omitempty"`
	Uptime  float64 `json:"uptime_seconds"`
	// PerSecond are requests, on average over Rate.
	PerSecond float64 `json:"requests_per_second"`
	InFlight  int64   `json:"in_flight"`
	// Quantiles of the time to an answer, of about the last 10 s; 0 where there are too few to tell.
	P50 float64 `json:"p50_seconds"`
	P95 float64 `json:"p95_seconds"`
	P99 float64 `json:"p99_seconds"`
	// Coverage of the answers of the last minute.
	Coverage Coverage `json:"coverage"`
	Hedges   Hedges   `json:"hedges"`
	Children []Child  `json:"children"`
}

// Coverage counts requests of the last minute by what became of them.
type Coverage struct {
	Counts
	// Ratio of complete answers to all requests but those that were refused; 1 without any.
	Ratio float64 `json:"complete_ratio"`
	// Seconds of the last minute, the newest one last; fewer after a start.
	Seconds []Counts `json:"seconds"`
}

// Counts of requests.
type Counts struct {
	Complete     uint64 `json:"complete"`
	Partial      uint64 `json:"partial"`
	Insufficient uint64 `json:"insufficient"`
	Failed       uint64 `json:"failed"`
	Refused      uint64 `json:"refused"`
}

// Hedges of the last minute.
type Hedges struct {
	Sent uint64 `json:"sent"`
	Won  uint64 `json:"won"`
}

// Child is one shard's leaves or one parent's replicas.
type Child struct {
	Name   string `json:"name"`
	Shards string `json:"shards"`
	Parent bool   `json:"parent,omitempty"`
	// State is one of the constants.
	State State `json:"state"`
	// Reason of the last request that it has not answered, while State tells of one.
	Reason    string  `json:"reason,omitempty"`
	PerSecond float64 `json:"requests_per_second"`
	P50       float64 `json:"p50_seconds"`
	P95       float64 `json:"p95_seconds"`
	P99       float64 `json:"p99_seconds"`
	// What follows is of the last minute.
	First    uint64 `json:"first"`
	Retries  uint64 `json:"retries"`
	Hedges   Hedges `json:"hedges"`
	Answered uint64 `json:"answered"`
	Partial  uint64 `json:"partial"`
	Missing  uint64 `json:"missing"`
	// Invalid are those of Answered and Partial that were of no use: they could not be merged, or broke off.
	Invalid uint64 `json:"invalid"`

	Replicas []replicas.ReplicaStatus `json:"replicas"`
	// Tree below a parent, as the replica From has told it, Age seconds ago. It is there as long as it was told in the last
	// minute; Trouble says why it is not newer.
	Tree    *Node   `json:"tree,omitempty"`
	From    string  `json:"tree_from,omitempty"`
	Age     float64 `json:"tree_age_seconds,omitempty"`
	Trouble string  `json:"tree_error,omitempty"`
}

// State of a child, as a person would say it.
type State string

// The states, from good to bad. The worst that is true is told.
const (
	// OK answers.
	OK State = "ok"
	// Slow takes much longer than its siblings.
	Slow State = "slow"
	// Open has a replica that is not asked, as it fails; others answer.
	Open State = "open"
	// Flaky has not answered, or not in whole, some requests of the last seconds.
	Flaky State = "flaky"
	// Missing has no replica to ask, or has answered nothing in the last seconds.
	Missing State = "missing"
)
