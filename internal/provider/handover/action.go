// Package handover is the action pattern_hand_over: the leader of an election gives the lead to another replica.
package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/electors"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Action asks the leader's elector, in its container, by the engine's API.
type Action struct {
	kinds  []instance.Kind
	target instance.Target
}

var (
	_ action.ActionWithConfigure      = (*Action)(nil)
	_ action.ActionWithValidateConfig = (*Action)(nil)
)

// New gives the constructor of the action on instances of these patterns.
func New(kinds []instance.Kind) func() action.Action {
	return func() action.Action { return &Action{kinds: kinds} }
}

// model of the configuration.
type model struct {
	Of        types.String `tfsdk:"of"`
	Namespace types.String `tfsdk:"namespace"`
	Election  types.String `tfsdk:"election"`
	To        types.String `tfsdk:"to"`
	Timeout   types.String `tfsdk:"timeout"`
}

// defaultTimeout of a hand-over.
const defaultTimeout = time.Minute

// Metadata names the action.
func (a *Action) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_hand_over"
}

// Description of the action.
const Description = "Lets the leader of an election hand over to another replica, and ends when that one leads. The leader's application is told first (`on_demoted`), so that it can finish; " +
	"nobody has to wait for a lease. It works with every pattern that has elections, and with every backend of the electors. " +
	"The provider runs a command in the leader's elector: its credentials need `create` on `pods/exec` (Kubernetes) or the capability `alloc-exec` (Nomad) in the instance's namespace. " +
	"Terraform 1.14 or later invokes it: `terraform apply -invoke=action.pattern_hand_over.NAME`, or a resource's `lifecycle { action_trigger { ... } }`."

// Schema of the configuration.
func (a *Action) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: Description,
		Attributes: map[string]schema.Attribute{
			"of":        schema.StringAttribute{Required: true, MarkdownDescription: "Name of the instance, of whatever pattern."},
			"namespace": schema.StringAttribute{Optional: true, MarkdownDescription: "Namespace of the engine. Default: the provider's."},
			"election":  schema.StringAttribute{Required: true, MarkdownDescription: "Name of the election; one of a set is `SET/SHARD`, and may be given back later, since a set is shared out evenly. In patterns of several groups it begins with `GROUP-`, as in the data source `pattern_leaders`."},
			"to":        schema.StringAttribute{Optional: true, MarkdownDescription: "The replica that is to lead, by the name that the data source `pattern_leaders` lists (`PATTERN_MEMBER` in it). If it leads already, nothing is done. Default: whoever takes it."},
			"timeout":   schema.StringAttribute{Optional: true, MarkdownDescription: "Until another one leads. Default: `1m`."},
		},
	}
}

// Configure takes the engine.
func (a *Action) Configure(_ context.Context, req action.ConfigureRequest, _ *action.ConfigureResponse) {
	if t, ok := req.ProviderData.(instance.Target); ok {
		a.target = t
	}
}

// ValidateConfig finds what is wrong without asking anybody.
func (a *Action) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	var m model
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	for name, v := range map[string]types.String{"of": m.Of, "election": m.Election, "to": m.To} {
		if !v.IsNull() && !v.IsUnknown() && v.ValueString() == "" {
			resp.Diagnostics.AddAttributeError(path.Root(name), "Invalid configuration", name+": must not be empty.")
		}
	}
	if _, err := limit(m.Timeout); err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("timeout"), "Invalid configuration", "timeout: "+err.Error()+".")
	}
}

func limit(v types.String) (time.Duration, error) {
	if v.IsNull() || v.IsUnknown() {
		return defaultTimeout, nil
	}
	d, err := time.ParseDuration(v.ValueString())
	if err != nil || d <= 0 {
		return 0, fmt.Errorf(`must be a duration such as "30s" or "2m", got %q`, v.ValueString())
	}
	return d, nil
}

// Invoke hands over.
func (a *Action) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m model
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if a.target.Engine == nil {
		resp.Diagnostics.AddError("No engine", "The provider's configuration is not known yet, and so nobody can be asked to hand over.")
		return
	}
	most, err := limit(m.Timeout)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("timeout"), "Invalid configuration", "timeout: "+err.Error()+".")
		return
	}
	h := &handing{
		engine: a.target.Engine, key: topology.Key{Namespace: m.Namespace.ValueString(), Name: m.Of.ValueString()},
		election: m.Election.ValueString(), to: m.To.ValueString(), most: most, within: electors.Within,
		tell: func(text string) { resp.SendProgress(action.InvokeProgressEvent{Message: text}) },
	}
	err = a.handOver(ctx, h)
	var (
		wrong  *fault
		denied *engine.NotPermittedError
	)
	switch {
	case err == nil:
	case errors.As(err, &wrong):
		resp.Diagnostics.AddAttributeError(path.Root(wrong.at), wrong.summary, wrong.at+": "+wrong.detail)
	case errors.As(err, &denied):
		resp.Diagnostics.AddError("The credentials do not permit to hand over", fmt.Sprintf("provider \"pattern\": %s: %s. Grant it to whoever applies.", a.target.Engine.Name(), err))
	default:
		instance.AddError(&resp.Diagnostics, a.target, "hand_over", "hand over "+h.election+" of", h.key, err)
	}
}

func (a *Action) handOver(ctx context.Context, h *handing) error {
	ctx, cancel := context.WithTimeout(ctx, h.most)
	defer cancel()
	if err := a.find(ctx, h); err != nil {
		return err
	}
	return h.run(ctx)
}
