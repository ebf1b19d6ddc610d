package merge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// sum adds numbers, wherever they are.
type sum struct{}

func (sum) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	var total any
	for i := range parts {
		v, err := decoded(i, &parts[i], "")
		if err != nil {
			return nil, err
		}
		if i == 0 {
			total = v
			continue
		}
		if total, err = add(total, v); err != nil {
			return nil, partError(i, "%w", err)
		}
	}
	out, err := json.Marshal(total)
	if err != nil {
		return nil, err
	}
	return finish(in, "", out, coverage)
}

func decoded(i int, p *Part, path string) (v any, err error) {
	found, err := value(i, p, path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader([]byte(found.Raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, partError(i, "%w", err)
	}
	return v, nil
}

// add b to a, which may be changed.
func add(a, b any) (any, error) {
	switch x := a.(type) {
	case json.Number:
		if y, ok := b.(json.Number); ok {
			return addNumbers(x, y)
		}
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			for name, v := range y {
				before, both := x[name]
				if !both {
					x[name] = v
					continue
				}
				after, err := add(before, v)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				x[name] = after
			}
			return x, nil
		}
	case []any:
		if y, ok := b.([]any); ok {
			if len(x) != len(y) {
				return nil, fmt.Errorf("an array of %d elements, and not of %d", len(y), len(x))
			}
			for i := range x {
				after, err := add(x[i], y[i])
				if err != nil {
					return nil, fmt.Errorf("[%d]: %w", i, err)
				}
				x[i] = after
			}
			return x, nil
		}
	default:
		if reflect.DeepEqual(a, b) {
			return a, nil
		}
	}
	return nil, errors.New("it does not go with the answers of the others")
}

// addNumbers exactly where both are whole, however large.
func addNumbers(a, b json.Number) (json.Number, error) {
	x, wholeX := new(big.Int).SetString(a.String(), 10)
	y, wholeY := new(big.Int).SetString(b.String(), 10)
	if wholeX && wholeY {
		return json.Number(x.Add(x, y).String()), nil
	}
	f, err := a.Float64()
	if err != nil {
		return "", err
	}
	g, err := b.Float64()
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(f + g)
	return json.Number(out), err
}

// histogram adds objects of counts.
type histogram struct {
	items string
	size  int
}

func (m histogram) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	total := map[string]json.Number{}
	for i := range parts {
		v, err := decoded(i, &parts[i], m.items)
		if err != nil {
			return nil, err
		}
		counts, ok := v.(map[string]any)
		if !ok {
			return nil, partError(i, "there is no object of counts")
		}
		// A part is taken as a whole or not at all.
		for key, v := range counts {
			if _, ok := v.(json.Number); !ok {
				return nil, partError(i, "the count of %q is no number", key)
			}
		}
		for key, v := range counts {
			n := v.(json.Number)
			if before, both := total[key]; both {
				if n, err = addNumbers(before, n); err != nil {
					return nil, partError(i, "%w", err)
				}
			}
			total[key] = n
		}
	}
	if m.size > 0 && in.Root { // below, what is small here may be large in the whole
		keys := slices.SortedFunc(maps.Keys(total), func(a, b string) int {
			x, _ := total[a].Float64()
			y, _ := total[b].Float64()
			return cmp.Or(cmp.Compare(y, x), cmp.Compare(a, b))
		})
		for _, key := range keys[min(len(keys), m.size):] {
			delete(total, key)
		}
	}
	out, err := json.Marshal(total)
	if err != nil {
		return nil, err
	}
	return finish(in, m.items, out, coverage)
}
