package merge

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// sortKey is what an element is sorted by. What it is of comes first, then its value: numbers, strings, all else; nothing is last
// in either order.
type sortKey struct {
	kind   int
	number float64
	whole  int64
	exact  bool
	text   string
}

const (
	numbers = iota
	strs
	others
	nothing
)

func keyOf(v gjson.Result) sortKey {
	switch v.Type {
	case gjson.Number:
		k := sortKey{kind: numbers, number: v.Num}
		// Beyond 2^53 a float64 does not tell whole numbers apart.
		if n, err := strconv.ParseInt(v.Raw, 10, 64); err == nil {
			k.whole, k.exact = n, true
		}
		return k
	case gjson.String:
		return sortKey{kind: strs, text: v.Str}
	case gjson.Null:
		return sortKey{kind: nothing}
	default:
		return sortKey{kind: others, text: v.Raw}
	}
}

func ascending(a, b *sortKey) int {
	switch {
	case a.kind != b.kind:
		return cmp.Compare(a.kind, b.kind)
	case a.kind != numbers:
		return strings.Compare(a.text, b.text)
	case a.exact && b.exact:
		return cmp.Compare(a.whole, b.whole)
	}
	return cmp.Compare(a.number, b.number)
}

// compare in an order. Nothing is last in both.
func compare(a, b *sortKey, descending bool) int {
	if descending && a.kind != nothing && b.kind != nothing {
		return ascending(b, a)
	}
	return ascending(a, b)
}
