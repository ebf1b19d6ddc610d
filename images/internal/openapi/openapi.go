// Package openapi compares OpenAPI documents with the Go types that they describe, for tests of both.
package openapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// A Schema is what of JSON Schema the documents use.
type Schema struct {
	Ref                  string            `json:"$ref"`
	Type                 string            `json:"type"`
	Format               string            `json:"format"`
	ContentEncoding      string            `json:"contentEncoding"`
	Enum                 []string          `json:"enum"`
	Items                *Schema           `json:"items"`
	OneOf                []Schema          `json:"oneOf"`
	AllOf                []Schema          `json:"allOf"`
	AdditionalProperties *Schema           `json:"additionalProperties"`
	Properties           map[string]Schema `json:"properties"`
	Required             []string          `json:"required"`
}

const schemas = "#/components/schemas/"

// A Document is one by its schemas.
type Document struct {
	Schemas map[string]Schema
	raw     map[string]any
}

// Read a document, which is YAML.
func Read(t *testing.T, text []byte) *Document {
	t.Helper()
	var d struct {
		OpenAPI    string `json:"openapi"`
		Components struct {
			Schemas map[string]Schema `json:"schemas"`
		} `json:"components"`
	}
	var raw map[string]any
	require.NoError(t, yaml.Unmarshal(text, &d))
	require.NoError(t, yaml.Unmarshal(text, &raw))
	require.Equal(t, "3.1.0", d.OpenAPI)
	return &Document{Schemas: d.Components.Schemas, raw: raw}
}

// References of the document. Each must lead somewhere.
func (d *Document) References(t *testing.T) (all []string) {
	t.Helper()
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				all = append(all, ref)
				var at any = d.raw
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					in, _ := at.(map[string]any)
					at, ok = in[part]
					require.True(t, ok, ref)
				}
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(d.raw)
	return all
}

// Describes checks that each of the types, given by a value, has a schema of its name that says what its JSON is, and that there
// are no schemas but these and the others.
func (d *Document) Describes(t *testing.T, types []any, others ...string) {
	t.Helper()
	names := others
	for _, v := range types {
		is := reflect.TypeOf(v)
		name, _, _ := strings.Cut(is.Name(), "[") // of a generic type
		names = append(names, name)
		t.Run(name, func(t *testing.T) {
			s, ok := d.Schemas[name]
			require.True(t, ok)
			d.compare(t, is, s)
		})
	}
	assert.ElementsMatch(t, names, slices.Collect(maps.Keys(d.Schemas)))
}

func (d *Document) compare(t *testing.T, is reflect.Type, s Schema) {
	assert.Equal(t, "object", s.Type)
	required, found := []string{}, []string{}
	for i := range is.NumField() {
		f := is.Field(i)
		if f.Anonymous {
			assert.Equal(t, []Schema{{Ref: schemas + f.Type.Name()}}, s.AllOf)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		found = append(found, name)
		if options == "" {
			required = append(required, name)
		}
		if p, ok := s.Properties[name]; assert.True(t, ok, name) {
			assert.Equal(t, kind(f.Type), d.shape(p), name)
		}
	}
	assert.ElementsMatch(t, required, s.Required)
	for name := range s.Properties {
		assert.Contains(t, found, name, "it is no field")
	}
}

// kind of a Go type, as shape says it.
func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[[]byte]():
		return "bytes"
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return "any"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Pointer {
			return "[]null|" + kind(t.Elem().Elem())
		}
		return "[]" + kind(t.Elem())
	case reflect.Map:
		return "{}" + kind(t.Elem())
	case reflect.Struct, reflect.String:
		return t.Name()
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "boolean"
	}
	return t.Kind().String()
}

// shape of a schema. Objects and enumerations are types of their own; anything else that has a name is what it stands for.
func (d *Document) shape(s Schema) string {
	switch {
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, schemas)
		if to := d.Schemas[name]; to.Type != "object" && to.Enum == nil {
			return d.shape(to)
		}
		return name
	case s.Format == "date-time":
		return "time"
	case s.ContentEncoding == "base64":
		return "bytes"
	case len(s.OneOf) == 2 && s.OneOf[1].Type == "null":
		return "null|" + d.shape(s.OneOf[0])
	case s.Type == "array" && s.Items != nil:
		return "[]" + d.shape(*s.Items)
	case s.Type == "object" && s.AdditionalProperties != nil:
		return "{}" + d.shape(*s.AdditionalProperties)
	case s.Type == "":
		return "any"
	}
	return s.Type
}
