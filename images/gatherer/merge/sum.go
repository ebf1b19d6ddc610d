package merge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// sum adds numbers, wherever they are.
type sum struct{}

func (sum) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	var total node
	for i := range parts {
		v, err := value(i, &parts[i], path{})
		if err != nil {
			return nil, err
		}
		if err := total.add(v, i+1); err != nil {
			return nil, odd(parts, i, err)
		}
	}
	return total.answer(in, path{}, coverage, size(parts))
}

func (n *node) answer(in *Request, at path, coverage contract.Coverage, bytes int) (*Answer, error) {
	out, err := begin(in, at, coverage, bytes)
	if err != nil {
		return nil, err
	}
	out.body = n.appendTo(out.body)
	return out.finish(), nil
}

// odd is which part is to blame where part i does not go with those before it: the first, if more go with i than with the first.
func odd(parts []Part, i int, cause error) error {
	first, other := 0, 0
	for j := range parts {
		v, err := value(j, &parts[j], path{})
		if err != nil {
			continue
		}
		if goes(&parts[0], v) {
			first++
		}
		if goes(&parts[i], v) {
			other++
		}
	}
	if other > first {
		return &PartError{Index: 0, Err: cause}
	}
	return &PartError{Index: i, Err: cause}
}

// goes tells whether a value can be added to a part.
func goes(p *Part, v gjson.Result) bool {
	var n node
	return n.add(gjson.Parse(text(p.Body)), 1) == nil && n.add(v, 2) == nil
}

// A node of a sum: what has been added at one place.
type node struct {
	kind   kind
	seen   int            // the last part that had it
	number decimal        // of a number
	same   gjson.Result   // what is the same in all
	kids   []*node        // elements of an array, or fields
	names  []string       // of fields, in the order in which they came
	index  map[string]int // of fields, by their names
}

type kind int

const (
	empty kind = iota
	aNumber
	anArray
	anObject
	aSame
)

func kindOf(v gjson.Result) kind {
	switch {
	case v.Type == gjson.Number:
		return aNumber
	case v.IsArray():
		return anArray
	case v.IsObject():
		return anObject
	}
	return aSame
}

// add a value of a part, whose number is above those of all before.
func (n *node) add(v gjson.Result, part int) error {
	before := n.kind
	if before == empty {
		n.kind = kindOf(v)
	} else if n.kind != kindOf(v) {
		return errors.New("it does not go with the answers of the others: they have another type")
	}
	if n.seen == part {
		return errors.New("it is there twice")
	}
	n.seen = part
	switch n.kind {
	case aNumber:
		d, err := parseDecimal(v.Raw)
		if err != nil {
			return err
		}
		if before == empty {
			n.number = d
		} else {
			n.number.add(d)
		}
	case anArray:
		return n.addArray(v, part, before == empty)
	case anObject:
		return n.addObject(v, part)
	default:
		if before == empty {
			n.same = v
		} else if n.same.Type != v.Type || n.same.Str != v.Str {
			return errors.New("it does not go with the answers of the others: it is no number, and not the same")
		}
	}
	return nil
}

func (n *node) addArray(v gjson.Result, part int, isNew bool) (err error) {
	i := 0
	v.ForEach(func(_, one gjson.Result) bool {
		if i == len(n.kids) {
			if !isNew {
				i++
				return false
			}
			n.kids = append(n.kids, &node{})
		}
		if err = n.kids[i].add(one, part); err != nil {
			err = fmt.Errorf("[%d]: %w", i, err)
			return false
		}
		i++
		return true
	})
	if err == nil && i != len(n.kids) {
		return fmt.Errorf("it does not go with the answers of the others: their array has %d elements", len(n.kids))
	}
	return err
}

func (n *node) addObject(v gjson.Result, part int) (err error) {
	v.ForEach(func(name, one gjson.Result) bool {
		if err = n.field(name.Str).add(one, part); err != nil {
			err = fmt.Errorf("%.100s: %w", name.Str, err)
		}
		return err == nil
	})
	return err
}

// field of a name, which may be new.
func (n *node) field(name string) *node {
	i, ok := n.index[name]
	if !ok {
		if n.index == nil {
			n.index = map[string]int{}
		}
		i = len(n.kids)
		n.index[name] = i
		n.names, n.kids = append(n.names, name), append(n.kids, &node{})
	}
	return n.kids[i]
}

func (n *node) appendTo(to []byte) []byte {
	switch n.kind {
	case aNumber:
		return n.number.appendTo(to)
	case anArray:
		to = append(to, '[')
		for i, one := range n.kids {
			if i > 0 {
				to = append(to, ',')
			}
			to = one.appendTo(to)
		}
		return append(to, ']')
	case anObject:
		to = append(to, '{')
		for i, one := range n.kids {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendString(to, n.names[i]), ':')
			to = one.appendTo(to)
		}
		return append(to, '}')
	case aSame:
		return append(to, n.same.Raw...)
	}
	return append(to, "null"...)
}

// histogram adds objects of counts.
type histogram struct {
	items path
	size  int
}

func (m histogram) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	total := node{kind: anObject}
	for i := range parts {
		v, err := value(i, &parts[i], m.items)
		if err != nil {
			return nil, err
		}
		if !v.IsObject() {
			return nil, partError(i, "there is no object of counts")
		}
		v.ForEach(func(name, one gjson.Result) bool {
			if one.Type != gjson.Number {
				err = fmt.Errorf("the count of %.100q is no number", name.Str)
				return false
			}
			if err = total.field(name.Str).add(one, i+1); err != nil {
				err = fmt.Errorf("%.100s: %w", name.Str, err)
			}
			return err == nil
		})
		if err != nil {
			return nil, &PartError{Index: i, Err: err}
		}
	}
	if in.Root { // below, what is small here may be large in the whole
		total.greatest(m.size)
	}
	return total.answer(in, m.items, coverage, size(parts))
}

// greatest sorts fields by their numbers, the greatest first, and then by their names, and keeps so many; 0 keeps all.
func (n *node) greatest(keep int) {
	order := make([]int, len(n.kids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := n.kids[b].number.compare(n.kids[a].number); c != 0 {
			return c
		}
		return strings.Compare(n.names[a], n.names[b])
	})
	if keep > 0 {
		order = order[:min(len(order), keep)]
	}
	names, kids := make([]string, len(order)), make([]*node, len(order))
	for i, at := range order {
		names[i], kids[i] = n.names[at], n.kids[at]
	}
	n.names, n.kids, n.index = names, kids, nil
}
