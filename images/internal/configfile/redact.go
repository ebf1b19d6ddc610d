package configfile

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

const redacted = "(redacted)"

// Redact gives a copy of a configuration that may be shown: fields tagged `secret:"true"` and passwords inside URLs are replaced. Maps tagged so keep their keys.
func Redact(config any) any {
	return redact(reflect.ValueOf(config), false)
}

func redact(v reflect.Value, secret bool) any {
	if !v.IsValid() {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return redact(v.Elem(), secret)
	case reflect.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[fmt.Sprint(key.Interface())] = redact(v.MapIndex(key), secret)
		}
		return out
	}
	if secret {
		if v.IsZero() {
			return nil
		}
		return redacted
	}
	if _, ok := v.Interface().(json.Marshaler); ok {
		return v.Interface()
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		redactFields(v, out)
		return out
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = redact(v.Index(i), false)
		}
		return out
	case reflect.String:
		return redactURL(v.String())
	}
	return v.Interface()
}

func redactFields(v reflect.Value, out map[string]any) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		if field.Anonymous && tag == "" {
			inner := v.Field(i)
			if inner.Kind() == reflect.Pointer {
				if inner.IsNil() {
					continue
				}
				inner = inner.Elem()
			}
			redactFields(inner, out)
			continue
		}
		if !field.IsExported() || strings.Contains(options, "omit") && v.Field(i).IsZero() {
			continue
		}
		if tag == "" {
			tag = field.Name
		}
		out[tag] = redact(v.Field(i), field.Tag.Get("secret") == "true")
	}
}

// redactURL hides a password that somebody wrote into a URL.
func redactURL(text string) string {
	if !strings.Contains(text, "://") || !strings.Contains(text, "@") {
		return text
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.User == nil {
		return text
	}
	if _, ok := parsed.User.Password(); !ok {
		return text
	}
	parsed.User = url.UserPassword(parsed.User.Username(), "redacted")
	return parsed.String()
}
