package value

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var sample = tftypes.Object{AttributeTypes: map[string]tftypes.Type{
	"name":  tftypes.String,
	"count": tftypes.Number,
	"on":    tftypes.Bool,
	"env":   tftypes.Map{ElementType: tftypes.String},
	"parts": tftypes.List{ElementType: tftypes.Object{AttributeTypes: map[string]tftypes.Type{"path": tftypes.String}}},
}}

func decode(t *testing.T, s string) any {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	var out any
	require.NoError(t, d.Decode(&out))
	return out
}

func TestJSONSurvivesTheWayThereAndBack(t *testing.T) {
	for _, c := range []struct{ name, json string }{
		{"all kinds", `{"name":"a","count":12,"on":true,"env":{"K.x":"v"},"parts":[{"path":"/a"},{}]}`},
		{"empty collections stay apart from null", `{"env":{},"parts":[]}`},
		{"a fraction", `{"count":0.25}`},
		{"a number beyond 53 bits", `{"count":9007199254740993}`},
		{"nothing", `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := FromJSON(decode(t, c.json), sample)
			require.NoError(t, err)
			back, unknown := ToJSON(v)
			assert.Empty(t, unknown)
			raw, err := json.Marshal(back)
			require.NoError(t, err)
			assert.JSONEq(t, c.json, string(raw))
		})
	}
}

func TestUnknownIsLeftOutAndItsPathTold(t *testing.T) {
	part := sample.AttributeTypes["parts"].(tftypes.List).ElementType
	v := tftypes.NewValue(sample, map[string]tftypes.Value{
		"name":  tftypes.NewValue(tftypes.String, tftypes.UnknownValue),
		"count": tftypes.NewValue(tftypes.Number, nil),
		"on":    tftypes.NewValue(tftypes.Bool, true),
		"env":   tftypes.NewValue(sample.AttributeTypes["env"], map[string]tftypes.Value{"A": tftypes.NewValue(tftypes.String, tftypes.UnknownValue)}),
		"parts": tftypes.NewValue(sample.AttributeTypes["parts"], []tftypes.Value{tftypes.NewValue(part, map[string]tftypes.Value{"path": tftypes.NewValue(tftypes.String, tftypes.UnknownValue)})}),
	})
	_, unknown := ToJSON(v)
	assert.Equal(t, []string{`env["A"]`, "name", "parts[0].path"}, unknown)
}

func TestFromJSONNamesWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ name, json, want string }{
		{"an unknown attribute", `{"parts":[{"pfad":"/a"}]}`, "parts[0].pfad: unknown attribute"},
		{"another kind", `{"env":{"A":true}}`, `env["A"]: bool where tftypes.String belongs`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := FromJSON(decode(t, c.json), sample)
			assert.EqualError(t, err, c.want)
		})
	}
}

func TestPath(t *testing.T) {
	for in, want := range map[string]path.Path{
		"":                                    path.Empty(),
		"name":                                path.Root("name"),
		"main.args":                           path.Root("main").AtName("args"),
		`sidecars["a.b"].log_saver.paths[10]`: path.Root("sidecars").AtMapKey("a.b").AtName("log_saver").AtName("paths").AtListIndex(10),
	} {
		assert.Equal(t, want.String(), Path(in).String(), in)
	}
}
