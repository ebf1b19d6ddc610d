package merge

import (
	"context"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// jsonArray puts the elements of all arrays into one.
type jsonArray struct{ items string }

func (m jsonArray) Merge(_ context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	out := make([]byte, 1, size(parts)+len(parts)+2)
	out[0] = '['
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
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return finish(in, m.items, append(out, ']'), coverage)
}
