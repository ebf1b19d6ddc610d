package config

import "strconv"

// ShardsPerRecord are how many elections of a set share a record: a variable of Nomad holds 64 KiB, of which one takes about 100 B.
const ShardsPerRecord = 256

// SlotKey is the key of the record of an elector's session.
func SlotKey(slot int) string { return "member-" + strconv.Itoa(slot) }

// ElectionKey is the key of the record of an election.
func ElectionKey(name string) string { return "election-" + name }

// ShardKey is the key of the record of one of a set's elections.
func ShardKey(set string, shard int) string {
	return "set-" + set + "-" + strconv.Itoa(shard/ShardsPerRecord)
}
