package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// A difference is an owned field that is not as it should be.
type difference struct {
	path       string
	keys       []any // the path in steps: field names, and for list elements their index or the element as it should be
	want, have any
}

// differences between what is wanted and what there is, of all that is wanted; what else there is does not count.
func differences(want, have map[string]any) []difference {
	var out []difference
	for _, part := range slices.Sorted(maps.Keys(want)) {
		switch part {
		case "apiVersion", "kind", "status":
		case "metadata":
			// The rest of the metadata is the object's address.
			for _, field := range []string{"labels", "annotations"} {
				w, _ := want[part].(map[string]any)
				h, _ := have[part].(map[string]any)
				if w[field] != nil {
					compare([]any{part, field}, w[field], h[field], &out)
				}
			}
		default:
			compare([]any{part}, want[part], have[part], &out)
		}
	}
	return out
}

func compare(at []any, want, have any, out *[]difference) {
	switch w := want.(type) {
	case map[string]any:
		h, isMap := have.(map[string]any)
		if !isMap && have != nil {
			break
		}
		if have == nil && len(w) == 0 {
			break
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			compare(append(slices.Clone(at), k), w[k], h[k], out)
		}
		return
	case []any:
		h, isList := have.([]any)
		if !isList && have != nil {
			break
		}
		if key := mergeKey(at, w); key != nil {
			for _, element := range w {
				compare(append(slices.Clone(at), element), element, find(h, key, element), out)
			}
			return
		}
		if objects(w) && objects(h) && len(w) == len(h) {
			for i := range w {
				compare(append(slices.Clone(at), i), w[i], h[i], out)
			}
			return
		}
	}
	if !same(at, want, have) {
		*out = append(*out, difference{path: path(at), keys: at, want: want, have: have})
	}
}

// objects tells whether a list is one of objects, which the API may complete with what it has by default.
func objects(list []any) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(v any) bool { _, isMap := v.(map[string]any); return !isMap })
}

// mergeKey of a list whose elements are known by some of their fields rather than by their place; nil for other lists.
func mergeKey(at []any, list []any) []string {
	field, _ := at[len(at)-1].(string)
	keys := map[string][]string{
		"containers": {"name"}, "initContainers": {"name"}, "env": {"name"}, "volumes": {"name"}, "imagePullSecrets": {"name"},
		"volumeMounts": {"mountPath"}, "hostAliases": {"ip"}, "topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
	}[field]
	if field == "ports" && len(list) > 0 {
		keys = []string{"port", "protocol"}
		if first, _ := list[0].(map[string]any); first["containerPort"] != nil {
			keys = []string{"containerPort", "protocol"}
		}
	}
	return keys
}

func find(list []any, key []string, like any) any {
	l, _ := like.(map[string]any)
	for _, element := range list {
		e, _ := element.(map[string]any)
		if !slices.ContainsFunc(key, func(k string) bool { return !same(nil, l[k], e[k]) }) {
			return element
		}
	}
	return nil
}

// same tells whether two values mean the same to the API.
func same(at []any, want, have any) bool {
	if have == nil && empty(want) {
		return true // the API drops what says nothing
	}
	if isQuantity(at) {
		a, errA := resource.ParseQuantity(fmt.Sprint(want))
		b, errB := resource.ParseQuantity(fmt.Sprint(have))
		return errA == nil && errB == nil && a.Cmp(b) == 0
	}
	if reflect.DeepEqual(want, have) {
		return true
	}
	a, errA := json.Marshal(want)
	b, errB := json.Marshal(have)
	return errA == nil && errB == nil && string(a) == string(b)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func isQuantity(at []any) bool {
	if len(at) == 0 {
		return false
	}
	if at[len(at)-1] == "sizeLimit" {
		return true
	}
	return len(at) > 1 && (at[len(at)-2] == "requests" || at[len(at)-2] == "limits")
}

// path as the API writes it: .spec.template.spec.containers[name="web"].image
func path(at []any) string {
	var b strings.Builder
	for i, step := range at {
		if field, isField := step.(string); isField {
			if strings.ContainsAny(field, "./") {
				fmt.Fprintf(&b, "[%q]", field)
			} else {
				b.WriteString("." + field)
			}
			continue
		}
		if index, isIndex := step.(int); isIndex {
			fmt.Fprintf(&b, "[%d]", index)
			continue
		}
		element, _ := step.(map[string]any)
		var parts []string
		for _, k := range mergeKey(at[:i], []any{step}) {
			raw, _ := json.Marshal(element[k])
			parts = append(parts, k+"="+string(raw))
		}
		b.WriteString("[" + strings.Join(parts, ",") + "]")
	}
	return b.String()
}

// short form of a value for readers.
func short(v any) string {
	if v == nil {
		return "nothing"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const most = 120
	if s := string(raw); len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return string(raw)
}
