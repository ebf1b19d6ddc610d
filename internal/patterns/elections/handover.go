package elections

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// A Place is where an election is decided: among the replicas of a group, whose electors call it by a name without the group's.
type Place struct {
	Group, Election string
	// Raft: the electors keep who leads to themselves.
	Raft bool
}

// Places of an instance's elections, by the names that [Leaders] gives them.
func Places(t *topology.Topology) (map[string]Place, error) {
	all := map[string]Place{}
	for i := range t.Groups {
		g := &t.Groups[i]
		at := slices.IndexFunc(g.Volumes, func(v topology.Volume) bool { return v.Name == configVolume })
		if at < 0 {
			continue
		}
		of := slices.IndexFunc(t.Configs, func(c topology.Config) bool { return c.Name == g.Volumes[at].Config })
		if of < 0 {
			continue
		}
		var c config.Config
		if err := json.Unmarshal([]byte(t.Configs[of].Files[configFile]), &c); err != nil {
			return nil, fmt.Errorf("the configuration of the electors of %q: %w", g.Name, err)
		}
		for _, name := range c.Elections {
			all[prefix(g)+name] = Place{g.Name, name, c.Backend.Raft != nil}
		}
		for set, shards := range c.Sets {
			for shard := range shards {
				name := set + "/" + strconv.Itoa(shard)
				all[prefix(g)+name] = Place{g.Name, name, c.Backend.Raft != nil}
			}
		}
	}
	return all, nil
}

// A HandedOver is what the command HandOver prints.
type HandedOver = api.HandOver

// Outcomes of a hand-over.
const (
	Done       = api.HandedOver
	Elsewhere  = api.Elsewhere
	Leaderless = api.Leaderless
	Unready    = api.Unready
	Unfollowed = api.Unfollowed
)

// HandOver is the command that asks the elector in whose container it runs to hand an election over, to a member or, where that is "",
// to whoever takes it. It prints a HandedOver as JSON. By any other elector than the leader's nothing is changed.
func HandOver(election, to string) []string {
	command := []string{program, "hand-over"}
	if to != "" {
		command = append(command, "-to", to)
	}
	return append(command, election)
}

// A Known is who leads, as one elector knows it.
type Known = api.Election

// AskLeaders is the command that asks the elector in whose container it runs who leads elections, or all where none is named. It prints
// Knowns by their names as JSON.
func AskLeaders(elections ...string) []string {
	return append([]string{program, "leaders"}, elections...)
}
