package instance

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// status is the attribute of that name.
type status struct {
	Phase   string `tfsdk:"phase"`
	Message string `tfsdk:"message"`
	Desired int64  `tfsdk:"desired"`
	Ready   int64  `tfsdk:"ready"`
	Updated int64  `tfsdk:"updated"`
}

// setObserved writes what is computed from what was observed.
func (r *Resource) setObserved(ctx context.Context, state *tfsdk.State, revision string, o *engine.Observation, p *patterns.Progress) (diags diag.Diagnostics) {
	s := status{Phase: o.Phase, Message: o.Message}
	for _, g := range o.Groups {
		s.Desired += int64(g.Desired)
		s.Ready += int64(g.Ready)
		s.Updated += int64(g.Updated)
	}
	drift := []string{}
	for _, d := range o.Drift {
		drift = append(drift, d.String())
	}
	endpoints := map[string][]string{}
	for k, v := range o.Endpoints {
		if name := endpointName(k); !slices.Contains(r.kind.Inner, name) {
			endpoints[name] = v
		}
	}
	objects := o.Objects
	if objects == nil {
		objects = []string{}
	}
	computed := map[string]any{"revision": revision, "status": s, "endpoints": endpoints, "objects": objects, "drift": drift}
	if r.kind.Compute != nil {
		maps.Copy(computed, r.kind.Compute(o, p))
	}
	if r.kind.Planned != nil {
		if w, err := r.kind.read(state.Raw); err == nil {
			maps.Copy(computed, r.kind.planned(w))
		}
	}
	values := map[string]tftypes.Value{}
	for name, v := range computed {
		value, more := valueOf(ctx, state.Schema.GetAttributes()[name].GetType(), v)
		diags.Append(more...)
		if diags.HasError() {
			return diags
		}
		values[name] = value
	}
	for name, a := range r.kind.Computed { // what has never been known is null
		if _, set := values[name]; !set && !attributeOf(state.Raw, name).IsKnown() {
			values[name] = tftypes.NewValue(a.GetType().TerraformType(ctx), nil)
		}
	}
	diags.Append(replaceAttributes(&state.Raw, values)...)
	return diags
}

// valueOf something computed, as Terraform has it.
func valueOf(ctx context.Context, t attr.Type, v any) (value tftypes.Value, diags diag.Diagnostics) {
	var a attr.Value
	diags.Append(tfsdk.ValueFrom(ctx, v, t, &a)...)
	if diags.HasError() {
		return value, diags
	}
	value, err := a.ToTerraformValue(ctx)
	if err != nil {
		diags.AddError("Cannot write what was computed", err.Error())
	}
	return value, diags
}

// URL of the framework's server; "" where it has no address.
func URL(o *engine.Observation) string {
	for key, addresses := range o.Endpoints {
		if endpointName(key) == framework.HTTPPort && len(addresses) > 0 {
			return "http://" + addresses[0]
		}
	}
	return ""
}

// endpointName is the name of an observed endpoint, without that of its service.
func endpointName(key string) string { return key[strings.LastIndex(key, "/")+1:] }

// replaceAttributes at the root of an object, all at once: SetAttribute would walk the whole schema for each.
func replaceAttributes(raw *tftypes.Value, values map[string]tftypes.Value) (diags diag.Diagnostics) {
	var all map[string]tftypes.Value
	if err := raw.As(&all); err != nil {
		diags.AddError("Cannot read the instance", err.Error())
		return diags
	}
	all = maps.Clone(all)
	maps.Copy(all, values)
	if err := tftypes.ValidateValue(raw.Type(), all); err != nil {
		diags.AddError("Cannot write the instance", err.Error())
		return diags
	}
	*raw = tftypes.NewValue(raw.Type(), all)
	return diags
}

// private is the private state of a response, and of a request.
type private interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// remember what the engine has accepted.
func remember(ctx context.Context, p private, t *topology.Topology, unfinished bool) (diags diag.Diagnostics) {
	raw, err := json.Marshal(t)
	if err != nil {
		diags.AddError("Cannot keep what was applied", err.Error())
		return diags
	}
	diags.Append(p.SetKey(ctx, appliedKey, raw)...)
	var mark []byte
	if unfinished {
		mark = unfinishedMark
	}
	diags.Append(p.SetKey(ctx, unfinishedKey, mark)...)
	return diags
}

// remembered is the topology that the engine has last accepted, or nil.
func remembered(raw []byte, record json.RawMessage) *topology.Topology {
	if len(raw) == 0 {
		return nil
	}
	t := &topology.Topology{}
	if json.Unmarshal(raw, t) != nil {
		return nil
	}
	t.Spec = record
	return t
}

func attributeOf(raw tftypes.Value, name string) tftypes.Value {
	var all map[string]tftypes.Value
	if err := raw.As(&all); err != nil {
		return tftypes.Value{}
	}
	return all[name]
}

func unknownOf(ctx context.Context, t attr.Type) tftypes.Value {
	return tftypes.NewValue(t.TerraformType(ctx), tftypes.UnknownValue)
}

// Default timeouts.
const (
	defaultTimeout     = 10 * time.Minute
	defaultReadTimeout = 2 * time.Minute
)

// attributer is a plan or a state.
type attributer interface {
	GetAttribute(ctx context.Context, p path.Path, target any) diag.Diagnostics
}

// timeout is the one that was written, or the default.
func timeout(ctx context.Context, from attributer, which func(timeouts.Value, context.Context, time.Duration) (time.Duration, diag.Diagnostics), byDefault time.Duration) (time.Duration, diag.Diagnostics) {
	var t timeouts.Value
	diags := from.GetAttribute(ctx, path.Root("timeouts"), &t)
	if diags.HasError() || t.IsNull() {
		return byDefault, diags
	}
	d, more := which(t, ctx, byDefault)
	diags.Append(more...)
	return d, diags
}

// keyOf is by what the engine finds the instance.
func (r *Resource) keyOf(ctx context.Context, from attributer) (topology.Key, diag.Diagnostics) {
	var name, namespace types.String
	diags := from.GetAttribute(ctx, path.Root("name"), &name)
	diags.Append(from.GetAttribute(ctx, path.Root("namespace"), &namespace)...)
	return topology.Key{Pattern: r.kind.Name, Namespace: namespace.ValueString(), Name: name.ValueString()}, diags
}
