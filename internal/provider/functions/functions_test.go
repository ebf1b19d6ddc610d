package functions

import (
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/stretchr/testify/assert"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		function, text string
		want           int64
		fault          string
	}{
		{"bytes", "128Mi", 128 << 20, ""},
		{"bytes", "500k", 500000, ""},
		{"bytes", "1.5Gi", 3 << 29, ""},
		{"bytes", "128m", 0, "fraction of a byte"},
		{"bytes", "-1Mi", 0, "not a size"},
		{"bytes", "much", 0, "not a size"},
		{"millicores", "250m", 250, ""},
		{"millicores", "0.25", 250, ""},
		{"millicores", "2", 2000, ""},
		{"millicores", "half", 0, "not an amount of CPU"},
	} {
		t.Run(c.function+" of "+c.text, func(t *testing.T) {
			ctx := context.Background()
			for _, make := range All() {
				f := make()
				var m function.MetadataResponse
				f.Metadata(ctx, function.MetadataRequest{}, &m)
				if m.Name != c.function {
					continue
				}
				resp := function.RunResponse{Result: function.NewResultData(types.Int64Unknown())}
				f.Run(ctx, function.RunRequest{Arguments: function.NewArgumentsData([]attr.Value{types.StringValue(c.text)})}, &resp)
				if c.fault != "" {
					assert.ErrorContains(t, resp.Error, c.fault)
					return
				}
				assert.Nil(t, resp.Error)
				assert.Equal(t, types.Int64Value(c.want), resp.Result.Value())
				return
			}
			t.Fatal("no such function")
		})
	}
}
