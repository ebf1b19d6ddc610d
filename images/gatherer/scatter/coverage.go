package scatter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

func shardName(shard int) string { return strconv.Itoa(shard) }

// sum adds a settled call to a coverage. A shard that is partial counts as missing.
func (c *call) sum(to *contract.Coverage) {
	to.Shards += len(c.asked)
	if c.failed != "" {
		c.missing = nil
		for _, shard := range c.asked {
			c.missing = append(c.missing, contract.Missing{Shard: shardName(shard), Reason: c.failed})
		}
	}
	to.Answered += len(without(c.asked, c.missing))
	to.Missing = append(to.Missing, c.missing...)
}

// without the shards that are missing, in whole or in part. It is the same slice where none is.
func without(shards []int, missing []contract.Missing) []int {
	if len(missing) == 0 {
		return shards
	}
	gone := map[string]bool{}
	for _, m := range missing {
		shard, _, _ := strings.Cut(m.Shard, "/")
		gone[shard] = true
	}
	var out []int
	for _, shard := range shards {
		if !gone[shardName(shard)] {
			out = append(out, shard)
		}
	}
	return out
}

// sortMissing by the numbers of the shards.
func sortMissing(missing []contract.Missing) {
	number := func(m contract.Missing) int {
		first, _, _ := strings.Cut(m.Shard, "/")
		n, _ := strconv.Atoi(first)
		return n
	}
	slices.SortStableFunc(missing, func(a, b contract.Missing) int {
		if n := number(a) - number(b); n != 0 {
			return n
		}
		return strings.Compare(a.Shard, b.Shard)
	})
}
