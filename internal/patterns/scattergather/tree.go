package scattergather

import (
	"fmt"
	"slices"
)

// A tree of gatherers above so many shards, of which none has more than fanOut children.
type tree struct {
	shards, fanOut int
	// levels are the numbers of nodes, from the root (1) to the leaves (shards).
	levels []int
}

// newTree takes as few levels, and as few gatherers on each, as the fan-out allows, and gives all of a level as many
// children, or one less.
func newTree(shards, fanOut int) *tree {
	t := &tree{shards: shards, fanOut: fanOut, levels: []int{shards}}
	for n := shards; n > fanOut; {
		n = (n + fanOut - 1) / fanOut
		t.levels = append(t.levels, n)
	}
	t.levels = append(t.levels, 1)
	slices.Reverse(t.levels)
	return t
}

// depth is the number of gatherers on the way from a client to a leaf.
func (t *tree) depth() int { return len(t.levels) - 1 }

// children of a node are those of the next level from first to before last.
func (t *tree) children(level, index int) (first, last int) {
	nodes, below := t.levels[level], t.levels[level+1]
	return index * below / nodes, (index + 1) * below / nodes
}

// shardsBelow a node, from first to before last.
func (t *tree) shardsBelow(level, index int) (first, last int) {
	first, last = index, index+1
	for ; level < t.depth(); level++ {
		first, _ = t.children(level, first)
		_, last = t.children(level, last-1)
	}
	return first, last
}

// RootGroup is the group that clients ask.
const RootGroup = "root"

// group of a gatherer. Names say of which tree it is, so that another tree has other groups.
func (t *tree) group(level, index int) string {
	if level == 0 {
		return RootGroup
	}
	return fmt.Sprintf("parent-%dx%d-%d-%d", t.shards, t.fanOut, level, index)
}

// leafGroup of a shard.
func (t *tree) leafGroup(shard int) string { return fmt.Sprintf("leaf-%d-%d", t.shards, shard) }

// name of a gatherer, for people.
func (t *tree) name(level, index int) string {
	if level == 0 {
		return RootGroup
	}
	return fmt.Sprintf("parent %d.%d", level, index)
}

// Tree is what follows from a spec: its depth, and the number of nodes on each level, from the root to the leaves.
func (s *Spec) Tree() (depth int, levels []int) {
	t := newTree(s.shards(), s.fanOut())
	return t.depth(), t.levels
}
