package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// schema is what of JSON Schema the document uses.
type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 string            `json:"type"`
	Format               string            `json:"format"`
	ContentEncoding      string            `json:"contentEncoding"`
	Enum                 []string          `json:"enum"`
	Items                *schema           `json:"items"`
	OneOf                []schema          `json:"oneOf"`
	AllOf                []schema          `json:"allOf"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
}

// types of all requests and answers.
var types = []any{
	Error{}, EnqueueRequest{}, NewItem{}, EnqueueAnswer{}, Enqueued{}, ReceiveRequest{}, ReceiveAnswer{}, Lease{}, ExtendRequest{}, AckRequest{}, Ack{},
	Output{}, NackRequest{}, Nack{}, Failure{}, ResultsAnswer{}, PayloadAnswer{}, Item{}, ItemsAnswer{}, ItemDetail{}, Reference{}, SelectRequest{},
	CountAnswer{}, PipelineOutput{}, OutputsAnswer{}, Status{}, StageStatus{}, SourceStatus{}, SinkStatus{}, History{}, StageHistory{},
}

func schemas(t *testing.T) map[string]schema {
	var document struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, yaml.Unmarshal(Document, &document))
	return document.Components.Schemas
}

func TestTheDocumentSaysWhatTheTypesAre(t *testing.T) {
	all := schemas(t)
	assert.Len(t, all, len(types)+2, "State, Duration and the types are all that there is")
	for _, v := range types {
		is := reflect.TypeOf(v)
		t.Run(is.Name(), func(t *testing.T) {
			s, ok := all[is.Name()]
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
	states := []string{}
	for _, s := range States {
		states = append(states, string(s))
	}
	assert.Equal(t, states, all["State"].Enum)
}

// kind of a Go type, as shape says it.
func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[[]byte]():
		return "bytes"
	case reflect.TypeFor[State]():
		return "State"
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
	case reflect.Struct:
		return t.Name()
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "boolean"
	}
	return t.Kind().String()
}

// shape of a schema. A duration is a string.
func shape(s schema) string {
	switch {
	case s.Ref != "":
		if name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]; name != "Duration" {
			return name
		}
		return "string"
	case s.Format == "date-time":
		return "time"
	case s.ContentEncoding == "base64":
		return "bytes"
	case len(s.OneOf) == 2 && s.OneOf[1].Type == "null":
		return "null|" + shape(s.OneOf[0])
	case s.Type == "array" && s.Items != nil:
		return "[]" + shape(*s.Items)
	case s.Type == "object" && s.AdditionalProperties != nil:
		return "{}" + shape(*s.AdditionalProperties)
	}
	return s.Type
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
	assert.Greater(t, n, 50)
}
