package attributes

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Validators of strings with a unit.
var (
	duration = parses("a duration such as \"30s\"", func(s string) error { _, err := workload.ParseDuration(s); return err })
	cpu      = parses("an amount of CPU such as \"250m\"", func(s string) error { _, err := workload.ParseCPU(s); return err })
	size     = parses("a size such as \"64Mi\"", func(s string) error { _, err := workload.ParseSize(s); return err })
	bytes    = parses("a size such as \"64Mi\"", func(s string) error { _, err := config.ParseBytes(s); return err })
)

type parser struct {
	what  string
	parse func(string) error
}

func parses(what string, parse func(string) error) []validator.String {
	return []validator.String{parser{what, parse}}
}

func (p parser) Description(context.Context) string         { return "must be " + p.what }
func (p parser) MarkdownDescription(context.Context) string { return "must be " + p.what }

func (p parser) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := p.parse(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid value", req.Path.String()+": "+err.Error()+".")
	}
}
