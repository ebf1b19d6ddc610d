package config

import (
	"encoding/json"
	"slices"
	"strings"
)

// A Leader is who holds an election, as the records of the electors say it.
type Leader struct {
	// Member that leads; "" if none does. Only its own elector knows whether it still calls itself so.
	Member string
	// Term is its fencing token.
	Term uint64
}

// Leaders reads the records that electors share, by their keys: who leads which election (one of a set is SET/SHARD), and who takes
// part, sorted. Where an instance has several groups, the names of elections begin with GROUP-. Package election writes them.
func Leaders(records map[string][]byte) (leaders map[string]Leader, members []string) {
	type record struct {
		ID, Member string
		Ended      bool
		Seats      map[string]struct {
			Session string
			Term    uint64
		}
	}
	read := map[string]record{}
	alive := map[string]string{} // by session
	for key, raw := range records {
		var is record
		if json.Unmarshal(raw, &is) != nil {
			continue
		}
		read[key] = is
		if is.ID != "" && !is.Ended {
			alive[is.ID] = is.Member
			members = append(members, is.Member)
		}
	}
	leaders = map[string]Leader{}
	for key, is := range read {
		group, _, found := strings.Cut(key, "election-")
		if !found {
			group, _, _ = strings.Cut(key, "set-")
		}
		for name, seat := range is.Seats {
			leaders[group+name] = Leader{Member: alive[seat.Session], Term: seat.Term}
		}
	}
	slices.Sort(members)
	return leaders, members
}
