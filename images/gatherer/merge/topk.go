package merge

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// topK keeps the best elements of all arrays.
type topK struct {
	k               int
	parameter       string
	by, then, items path
	descending      bool
}

func newTopK(c *config.TopK) topK {
	return topK{k: c.K, parameter: c.Parameter, by: newPath(c.By), then: newPath(c.Then), items: newPath(c.Items), descending: c.Order != "asc"}
}

type element struct {
	by, then sortKey
	raw      string
}

func (m topK) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	k := m.wanted(in.Query)
	// Whenever there are twice as many as are wanted, the worse half goes, so that no more are ever held.
	room := max(2*k, 64)
	all := make([]element, 0, min(room, 16*len(parts)))
	for i := range parts {
		v, err := value(i, &parts[i], m.items)
		if err != nil {
			return nil, err
		}
		if !v.IsArray() {
			return nil, partError(i, "there is no array of elements")
		}
		v.ForEach(func(_, one gjson.Result) bool {
			e := element{raw: one.Raw, by: keyOf(one.Get(m.by.escaped)), then: sortKey{kind: nothing}}
			if m.then.fields != "" {
				e.then = keyOf(one.Get(m.then.escaped))
			}
			if all = append(all, e); len(all) >= room {
				all = m.best(all, k)
			}
			return true
		})
	}
	all = m.best(all, k)
	bytes := 2
	for i := range all {
		bytes += len(all[i].raw) + 1
	}
	out, err := begin(in, m.items, coverage, bytes)
	if err != nil {
		return nil, err
	}
	out.body = append(out.body, '[')
	for i := range all {
		if i > 0 {
			out.body = append(out.body, ',')
		}
		out.body = append(out.body, all[i].raw...)
	}
	out.body = append(out.body, ']')
	return out.finish(), nil
}

// best k. Equals stay in the order of their shards, which is that of the parts.
func (m topK) best(all []element, k int) []element {
	slices.SortStableFunc(all, func(a, b element) int {
		if n := compare(&a.by, &b.by, m.descending); n != 0 {
			return n
		}
		return compare(&a.then, &b.then, false)
	})
	return all[:min(len(all), k)]
}

// wanted is how many elements the client has asked for, and K at most.
func (m topK) wanted(query string) int {
	if m.parameter == "" || query == "" {
		return m.k
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return m.k
	}
	n, err := strconv.Atoi(strings.TrimSpace(values.Get(m.parameter)))
	if err != nil || n < 0 {
		return m.k
	}
	return min(n, m.k)
}
