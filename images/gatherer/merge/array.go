package merge

import (
	"context"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// jsonArray puts the elements of all arrays into one.
type jsonArray struct{ items path }

func (m jsonArray) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	out, err := begin(in, m.items, coverage, size(parts)+2)
	if err != nil {
		return nil, err
	}
	out.body = append(out.body, '[')
	first := true
	for i := range parts {
		v, err := value(i, &parts[i], m.items)
		if err != nil {
			return nil, err
		}
		raw := strings.TrimSpace(v.Raw)
		if v.IsArray() { // its elements as they are written
			raw = strings.TrimSpace(raw[1 : len(raw)-1])
		}
		if raw == "" {
			continue
		}
		if !first {
			out.body = append(out.body, ',')
		}
		first = false
		out.body = append(out.body, raw...)
	}
	out.body = append(out.body, ']')
	return out.finish(), nil
}
