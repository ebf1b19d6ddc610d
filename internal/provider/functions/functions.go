// Package functions holds the provider's functions: units as the patterns read them.
package functions

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"

	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// All functions of the provider.
func All() []func() function.Function {
	return []func() function.Function{
		func() function.Function {
			return unit{
				name: "bytes", summary: "Bytes of a size", of: "Size, such as `128Mi`.",
				description: "Gives the number of bytes of a size as `resources` takes it, for applications that want a number: `GOMEMLIMIT`, a JVM's heap, a cache.",
				parse:       func(s string) (int64, error) { v, err := workload.ParseSize(s); return int64(v), err },
			}
		},
		func() function.Function {
			return unit{
				name: "millicores", summary: "Thousandths of a core of an amount of CPU", of: "Amount of CPU, such as `250m` or `0.25`.",
				description: "Gives the thousandths of a core of an amount of CPU as `resources` takes it, to derive worker counts and the like.",
				parse:       func(s string) (int64, error) { v, err := workload.ParseCPU(s); return int64(v), err },
			}
		},
	}
}

// unit reads a string with a unit as a number.
type unit struct {
	name, summary, description, of string
	parse                          func(string) (int64, error)
}

func (u unit) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = u.name
}

func (u unit) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: u.summary, MarkdownDescription: u.description,
		Parameters: []function.Parameter{function.StringParameter{Name: "text", MarkdownDescription: u.of}},
		Return:     function.Int64Return{},
	}
}

func (u unit) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var text string
	if resp.Error = req.Arguments.Get(ctx, &text); resp.Error != nil {
		return
	}
	n, err := u.parse(text)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, n)
}
