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
	*config.TopK
	descending bool
}

func newTopK(c *config.TopK) topK { return topK{TopK: c, descending: c.Order != "asc"} }

type element struct {
	by, then sortKey
	raw      string
}

func (m topK) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	var all []element
	for i := range parts {
		v, err := value(i, &parts[i], m.Items)
		if err != nil {
			return nil, err
		}
		if !v.IsArray() {
			return nil, partError(i, "there is no array of elements")
		}
		v.ForEach(func(_, one gjson.Result) bool {
			e := element{raw: one.Raw, by: keyOf(one.Get(m.By)), then: sortKey{kind: nothing}}
			if m.Then != "" {
				e.then = keyOf(one.Get(m.Then))
			}
			all = append(all, e)
			return true
		})
	}
	// Equals stay in the order of their shards, which is that of the parts.
	slices.SortStableFunc(all, func(a, b element) int {
		if n := compare(&a.by, &b.by, m.descending); n != 0 {
			return n
		}
		return compare(&a.then, &b.then, false)
	})
	all = all[:min(len(all), m.wanted(in.Query))]
	var out []byte
	out = append(out, '[')
	for i := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, all[i].raw...)
	}
	return finish(in, m.Items, append(out, ']'), coverage)
}

// wanted is how many elements the client has asked for, and K at most.
func (m topK) wanted(query string) int {
	if m.Parameter == "" || !strings.Contains(query, m.Parameter) {
		return m.K
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return m.K
	}
	n, err := strconv.Atoi(values.Get(m.Parameter))
	if err != nil || n < 0 {
		return m.K
	}
	return min(n, m.K)
}
