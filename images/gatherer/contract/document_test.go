package contract

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/openapi"
)

func TestTheDocumentSaysWhatTheTypesAre(t *testing.T) {
	types := []any{Coverage{}, Missing{}, Envelope[any]{}, Original{}, Asked{}, MergePart{}, MergeRequest{}, MergeRecord{}}
	openapi.Read(t, Document).Describes(t, types, "Problem")
}

func TestAllReferencesLeadSomewhere(t *testing.T) {
	assert.Greater(t, len(openapi.Read(t, Document).References(t)), 20)
}

// document is what is compared with constants.
type document struct {
	Components struct {
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
