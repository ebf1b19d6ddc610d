package configfile

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/hashicorp/go-multierror"
	"sigs.k8s.io/yaml"
)

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Decode fills target, a pointer to a struct, from YAML or JSON. All that does not fit is reported at once: unknown fields, wrong types, values that a field's own type refuses.
func Decode(data []byte, target any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("the file is empty")
	}
	document, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return err
	}
	var faults *multierror.Error
	check(reflect.TypeOf(target).Elem(), tree, "", &faults)
	if faults != nil {
		return faults
	}
	return json.Unmarshal(document, target)
}

// check compares a decoded tree with the type that it is meant for.
func check(t reflect.Type, value any, path string, faults **multierror.Error) {
	fault := func(format string, args ...any) {
		*faults = multierror.Append(*faults, fmt.Errorf("%s: "+format, append([]any{name(path)}, args...)...))
	}
	if value == nil {
		return
	}
	if reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		raw, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(raw, reflect.New(t).Interface())
		}
		if err != nil {
			fault("%s", strings.TrimPrefix(err.Error(), "json: "))
		}
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		check(t.Elem(), value, path, faults)
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			fault("must be an object, got %s", describe(value))
			return
		}
		known := fields(t)
		for _, key := range sorted(object) {
			if field, ok := known[key]; ok {
				check(field, object[key], join(path, key), faults)
			} else {
				*faults = multierror.Append(*faults, fmt.Errorf("%s: unknown field, must be one of %s", join(path, key), strings.Join(sorted(known), ", ")))
			}
		}
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			fault("must be an object, got %s", describe(value))
			return
		}
		for _, key := range sorted(object) {
			check(t.Elem(), object[key], join(path, key), faults)
		}
	case reflect.Slice, reflect.Array:
		list, ok := value.([]any)
		if !ok {
			fault("must be a list, got %s", describe(value))
			return
		}
		for i, element := range list {
			check(t.Elem(), element, fmt.Sprintf("%s[%d]", path, i), faults)
		}
	case reflect.Interface:
	default:
		raw, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(raw, reflect.New(t).Interface())
		}
		if err != nil {
			fault("must be %s, got %s", expected(t), describe(value))
		}
	}
}

// fields maps the JSON names of a struct, embedded ones included, to their types.
func fields(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case tag == "-":
		case field.Anonymous && tag == "":
			embedded := field.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			for key, inner := range fields(embedded) {
				known[key] = inner
			}
		case !field.IsExported():
		case tag == "":
			known[field.Name] = field.Type
		default:
			known[tag] = field.Type
		}
	}
	return known
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func join(path, key string) string {
	if strings.ContainsAny(key, ". []") {
		key = fmt.Sprintf("[%q]", key)
		return path + key
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func name(path string) string {
	if path == "" {
		return "(the whole file)"
	}
	return path
}

func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	default:
		return "a whole number"
	}
}

func describe(value any) string {
	switch value := value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the string %q", value)
	case json.Number:
		return "the number " + value.String()
	default:
		return fmt.Sprint(value)
	}
}
