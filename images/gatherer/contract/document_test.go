package contract

import (
	"encoding/json"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// schema is what of JSON Schema the document uses.
type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 string            `json:"type"`
	ContentEncoding      string            `json:"contentEncoding"`
	Items                *schema           `json:"items"`
	AllOf                []schema          `json:"allOf"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
}

type document struct {
	OpenAPI    string `json:"openapi"`
	Components struct {
		Schemas    map[string]schema `json:"schemas"`
		Parameters map[string]struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
		Headers map[string]any `json:"headers"`
	} `json:"components"`
	Paths map[string]map[string]any `json:"paths"`
}

func read(t *testing.T) (d document) {
	require.NoError(t, yaml.Unmarshal(Document, &d))
	return d
}

var types = []any{Coverage{}, Missing{}, Envelope[any]{}, Original{}, Asked{}, MergePart{}, MergeRequest{}, MergeRecord{}}

func TestTheDocumentSaysWhatTheTypesAre(t *testing.T) {
	all := read(t).Components.Schemas
	assert.Len(t, all, len(types)+1, "Problem and the types are all that there is")
	for _, v := range types {
		is := reflect.TypeOf(v)
		name, _, _ := strings.Cut(is.Name(), "[")
		t.Run(name, func(t *testing.T) {
			s, ok := all[name]
			require.True(t, ok)
			assert.Equal(t, "object", s.Type)
			required, found := []string{}, []string{}
			for i := range is.NumField() {
				f := is.Field(i)
				if f.Anonymous {
					assert.Equal(t, []schema{{Ref: "#/components/schemas/" + f.Type.Name()}}, s.AllOf)
					continue
				}
				name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
				found = append(found, name)
				if options == "" {
					required = append(required, name)
				}
				p, ok := s.Properties[name]
				if assert.True(t, ok, name) {
					assert.Equal(t, kind(f.Type), shape(p), name)
				}
			}
			assert.ElementsMatch(t, required, s.Required)
			for name := range s.Properties {
				assert.True(t, slices.Contains(found, name), "%s is no field", name)
			}
		})
	}
}

// kind of a Go type, as shape says it.
func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[[]byte]():
		return "bytes"
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return "any"
	case reflect.TypeFor[http.Header]():
		return "{}[]string"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "[]" + kind(t.Elem())
	case reflect.Struct:
		return t.Name()
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Bool:
		return "boolean"
	}
	return t.Kind().String()
}

func shape(s schema) string {
	switch {
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case s.ContentEncoding == "base64":
		return "bytes"
	case s.Type == "array" && s.Items != nil:
		return "[]" + shape(*s.Items)
	case s.Type == "object" && s.AdditionalProperties != nil:
		return "{}" + shape(*s.AdditionalProperties)
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// constants of this package whose names begin so, by their values.
func constants(t *testing.T, prefix string) (values []string) {
	set := token.NewFileSet()
	for _, name := range []string{"contract.go", "merge.go"} {
		file, err := goparser.ParseFile(set, name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, prefix) && len(v.Values) == 1 {
				value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				values = append(values, value)
			}
			return true
		})
	}
	return values
}

func TestTheDocumentNamesAllHeaders(t *testing.T) {
	d := read(t)
	all := constants(t, "Header")
	require.Contains(t, all, HeaderMissing)
	require.Contains(t, all, HeaderStatus)
	found := []string{}
	for name, p := range d.Components.Parameters {
		assert.Equal(t, name, p.Name)
		assert.Equal(t, "header", p.In)
		found = append(found, name)
	}
	for name := range d.Components.Headers {
		found = append(found, name)
	}
	assert.ElementsMatch(t, all, found)
}

func TestTheDocumentNamesAllForms(t *testing.T) {
	d := read(t)
	content := d.Paths["/merge"]["post"].(map[string]any)["requestBody"].(map[string]any)["content"].(map[string]any)
	found := []string{}
	for name := range content {
		found = append(found, name)
	}
	assert.ElementsMatch(t, constants(t, "Type"), found)
}

func TestAllReferencesLeadSomewhere(t *testing.T) {
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(Document, &document))
	assert.Equal(t, "3.1.0", document["openapi"])
	n := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				n++
				var at any = document
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					at, ok = at.(map[string]any)[part]
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
	walk(document)
	assert.Greater(t, n, 20)
}
