package config

import (
	"maps"
	"slices"
)

// Engine keeps the table in the engine that the elector runs in, whichever that is: in Leases of Kubernetes, or in variables of Nomad.
type Engine struct {
	// Instance is the name of the pattern's resource: what the names of Leases begin with, and that of the Nomad job.
	Instance string `json:"instance"`
	// Prefix of the records' names, where an instance has several groups with electors.
	Prefix string `json:"prefix,omitempty"`
}

// Records are the names of all that the electors share, which are to be granted to them.
func (c *Config) Records() (all []string) {
	prefix := ""
	if c.Backend.Engine != nil {
		prefix = c.Backend.Engine.Prefix
	}
	add := func(key string) { all = append(all, prefix+key) }
	for slot := range c.Slots {
		add(SlotKey(slot))
	}
	for _, name := range c.Elections {
		add(ElectionKey(name))
	}
	for _, set := range slices.Sorted(maps.Keys(c.Sets)) {
		for shard := 0; shard < c.Sets[set]; shard += ShardsPerRecord {
			add(ShardKey(set, shard))
		}
	}
	return all
}
