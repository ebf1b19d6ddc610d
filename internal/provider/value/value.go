// Package value turns Terraform values into the JSON that specs are decoded from, and back. Attribute names are those of
// the JSON; null is left out; unknown is left out and its path told.
package value

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
)

// ToJSON gives the value as encoding/json would decode it (numbers as json.Number), and the paths of what is unknown.
func ToJSON(v tftypes.Value) (decoded any, unknown []string) {
	decoded = toJSON(v, "", &unknown)
	slices.Sort(unknown)
	return decoded, unknown
}

func toJSON(v tftypes.Value, at string, unknown *[]string) any {
	switch {
	case !v.IsKnown():
		*unknown = append(*unknown, at)
		return nil
	case v.IsNull():
		return nil
	}
	switch t := v.Type(); {
	case t.Is(tftypes.String):
		var s string
		must(v.As(&s))
		return s
	case t.Is(tftypes.Bool):
		var b bool
		must(v.As(&b))
		return b
	case t.Is(tftypes.Number):
		n := new(big.Float)
		must(v.As(n))
		return json.Number(n.Text('f', -1))
	case t.Is(tftypes.Object{}), t.Is(tftypes.Map{}):
		var in map[string]tftypes.Value
		must(v.As(&in))
		out := map[string]any{}
		for k, e := range in {
			at := fault.Join(at, k)
			if t.Is(tftypes.Map{}) {
				at = fault.Key(strings.TrimSuffix(at, "."+k), k)
			}
			// A null element of a map is an element all the same.
			if d := toJSON(e, at, unknown); d != nil || (t.Is(tftypes.Map{}) && e.IsKnown()) {
				out[k] = d
			}
		}
		return out
	default: // list, set, tuple
		var in []tftypes.Value
		must(v.As(&in))
		out := make([]any, len(in))
		for i, e := range in {
			out[i] = toJSON(e, fault.At(at, i), unknown)
		}
		return out
	}
}

func must(err error) {
	if err != nil { // the type was asked for before
		panic(err)
	}
}

// FromJSON gives a value of a type from decoded JSON. What is missing is null; what the type does not know is an error.
func FromJSON(decoded any, t tftypes.Type) (tftypes.Value, error) {
	return fromJSON(decoded, t, "")
}

func fromJSON(d any, t tftypes.Type, at string) (tftypes.Value, error) {
	if d == nil {
		return tftypes.NewValue(t, nil), nil
	}
	wrong := func() (tftypes.Value, error) {
		return tftypes.Value{}, fmt.Errorf("%s: %T where %s belongs", at, d, t)
	}
	switch tt := t.(type) {
	case tftypes.Object:
		in, ok := d.(map[string]any)
		if !ok {
			return wrong()
		}
		for k := range in {
			if _, ok := tt.AttributeTypes[k]; !ok {
				return tftypes.Value{}, fmt.Errorf("%s: unknown attribute", fault.Join(at, k))
			}
		}
		out := map[string]tftypes.Value{}
		for k, et := range tt.AttributeTypes {
			v, err := fromJSON(in[k], et, fault.Join(at, k))
			if err != nil {
				return v, err
			}
			out[k] = v
		}
		return tftypes.NewValue(t, out), nil
	case tftypes.Map:
		in, ok := d.(map[string]any)
		if !ok {
			return wrong()
		}
		out := map[string]tftypes.Value{}
		for k, e := range in {
			v, err := fromJSON(e, tt.ElementType, fault.Key(at, k))
			if err != nil {
				return v, err
			}
			out[k] = v
		}
		return tftypes.NewValue(t, out), nil
	case tftypes.List:
		in, ok := d.([]any)
		if !ok {
			return wrong()
		}
		out := make([]tftypes.Value, len(in))
		for i, e := range in {
			v, err := fromJSON(e, tt.ElementType, fault.At(at, i))
			if err != nil {
				return v, err
			}
			out[i] = v
		}
		return tftypes.NewValue(t, out), nil
	}
	switch v := d.(type) {
	case string:
		if t.Is(tftypes.String) {
			return tftypes.NewValue(t, v), nil
		}
	case bool:
		if t.Is(tftypes.Bool) {
			return tftypes.NewValue(t, v), nil
		}
	case json.Number:
		if t.Is(tftypes.Number) {
			n, _, err := big.ParseFloat(string(v), 10, 512, big.ToNearestEven)
			if err != nil {
				return tftypes.Value{}, fmt.Errorf("%s: %w", at, err)
			}
			return tftypes.NewValue(t, n), nil
		}
	}
	return wrong()
}

// Path is the attribute path of a fault's path, such as `sidecars["logs"].log_saver.paths[0]`.
func Path(s string) path.Path {
	p := path.Empty()
	for s != "" {
		switch {
		case strings.HasPrefix(s, `["`):
			end := strings.Index(s, `"]`)
			if end < 0 {
				return p
			}
			p = p.AtMapKey(unquote(s[1 : end+1]))
			s = s[end+2:]
		case s[0] == '[':
			var i int
			end := strings.IndexByte(s, ']')
			if n, _ := fmt.Sscanf(s, "[%d]", &i); n != 1 {
				return p
			}
			p = p.AtListIndex(i)
			s = s[end+1:]
		default:
			s = strings.TrimPrefix(s, ".")
			end := strings.IndexAny(s, ".[")
			if end < 0 {
				end = len(s)
			}
			if end == 0 {
				return p
			}
			p = p.AtName(s[:end])
			s = s[end:]
		}
	}
	return p
}

func unquote(s string) string {
	var out string
	if json.Unmarshal([]byte(s), &out) != nil {
		return strings.Trim(s, `"`)
	}
	return out
}
