package kubernetes

import (
	"encoding/json"
	"strings"
	"time"
)

// lastManager of a field other than ourselves, by what the API keeps about it; empty if nobody else owns it.
func lastManager(live *Object, at []any) string {
	var last string
	var lastTime time.Time
	for _, f := range live.GetManagedFields() {
		if f.Manager == Manager || f.FieldsV1 == nil {
			continue
		}
		var set map[string]any
		if json.Unmarshal(f.FieldsV1.Raw, &set) != nil || !owns(set, at) {
			continue
		}
		var t time.Time
		if f.Time != nil {
			t = f.Time.Time
		}
		if last == "" || t.After(lastTime) {
			last, lastTime = f.Manager, t
		}
	}
	return last
}

// owns tells whether a set of fields has the one at a path, or all of a value that it lies in.
func owns(set map[string]any, at []any) bool {
	for _, step := range at {
		next, found := child(set, step)
		if !found {
			return false
		}
		if len(next) == 0 {
			return true
		}
		set = next
	}
	return true
}

func child(set map[string]any, step any) (map[string]any, bool) {
	if field, isField := step.(string); isField {
		next, found := set["f:"+field].(map[string]any)
		return next, found
	}
	element, _ := step.(map[string]any)
	for name, next := range set {
		raw, isKey := strings.CutPrefix(name, "k:")
		var key map[string]any
		if !isKey || json.Unmarshal([]byte(raw), &key) != nil {
			continue
		}
		match := true
		for k, v := range key {
			match = match && same(nil, v, element[k])
		}
		if m, isMap := next.(map[string]any); match && isMap {
			return m, true
		}
	}
	return nil, false
}
