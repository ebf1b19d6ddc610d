package merge

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// sortKey is what an element is sorted by. What it is of comes first, then its value: numbers, strings, all else; nothing is last
// in either order.
type sortKey struct {
	kind   int
	number float64
	// text of a string; of a whole number that a float64 may not tell from its neighbours, its digits.
	text string
}

const (
	numbers = iota
	strs
	others
	nothing
)

// exactBelow is where float64 begins to skip whole numbers.
const exactBelow = 1 << 53

func keyOf(v gjson.Result) sortKey {
	switch v.Type {
	case gjson.Number:
		k := sortKey{kind: numbers, number: v.Num}
		if (v.Num >= exactBelow || v.Num <= -exactBelow) && !strings.ContainsAny(v.Raw, ".eE") {
			k.text = v.Raw
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
	case a.number != b.number:
		return cmp.Compare(a.number, b.number)
	case a.text == b.text:
		return 0
	}
	if math.IsInf(a.number, 0) && (a.text == "" || b.text == "") {
		// Beyond all of float64 is what was not written out, too.
		return cmp.Compare(len(b.text), len(a.text)) * sign(a.number)
	}
	// Rounding keeps the order, so that numbers of which one was rounded are compared by their digits.
	x, y := digits(a), digits(b)
	n := cmp.Compare(len(x), len(y))
	if n == 0 {
		n = strings.Compare(x, y)
	}
	return n * sign(a.number)
}

func sign(f float64) int {
	if f < 0 {
		return -1
	}
	return 1
}

// digits of a whole number without its sign.
func digits(k *sortKey) string {
	text := k.text
	if text == "" {
		text = strconv.FormatFloat(k.number, 'f', 0, 64)
	}
	return strings.TrimPrefix(text, "-")
}

// compare in an order. Nothing is last in both.
func compare(a, b *sortKey, descending bool) int {
	if descending && a.kind != nothing && b.kind != nothing {
		return ascending(b, a)
	}
	return ascending(a, b)
}
