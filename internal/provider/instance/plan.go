package instance

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/value"
)

// ValidateConfig shows every fault at once, at its attribute. What rests on unknown values is judged later.
func (r *Resource) ValidateConfig(_ context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	w, err := r.kind.read(req.Config.Raw)
	if err != nil {
		return // the validators of single attributes say it better, and they have
	}
	AddFaults(&resp.Diagnostics, "", w.spec.Validate().Known(w.unknown))
}

// AddFaults shows faults at their attributes, which lie below a path that may be empty.
func AddFaults(to *diag.Diagnostics, below string, faults fault.List) {
	for _, f := range faults {
		at := fault.Join(below, f.Path)
		switch {
		case below == "":
			at = f.Path
		case f.Path == "":
			at = below
		}
		if at == "" {
			to.AddError("Invalid configuration", sentence(f.Message))
			continue
		}
		to.AddAttributeError(value.Path(at), "Invalid configuration", at+": "+sentence(f.Message))
	}
}

func sentence(s string) string { return strings.TrimSuffix(s, ".") + "." }

// ModifyPlan is pure translation: it asks no cluster. It says what will run (the revision), whether that can be reached in
// place, and whether what was observed calls for repair.
func (r *Resource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	w, err := r.kind.read(req.Plan.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Invalid configuration", err.Error())
		return
	}
	if faults := w.spec.Validate().Known(w.unknown); len(faults) > 0 { // at validation more was unknown
		AddFaults(&resp.Diagnostics, "", faults)
		return
	}
	if !req.State.Raw.IsNull() {
		former, err := r.kind.read(req.State.Raw)
		if err == nil {
			r.planChanges(w, former, resp)
		}
	}
	if r.target.Engine == nil || len(w.unknown) > 0 {
		r.planUnknown(ctx, resp, w)
		return
	}
	configured, err := r.kind.read(req.Config.Raw) // it has the keys of write-only values
	if err != nil {
		resp.Diagnostics.AddError("Invalid configuration", err.Error())
		return
	}
	t := r.topology(configured, w.record)
	AddFaults(&resp.Diagnostics, "", fault.List(r.target.Engine.Check(t)).Known(configured.unknown))
	if resp.Diagnostics.HasError() {
		return
	}
	revision := t.Revision()
	if req.State.Raw.IsNull() || len(resp.RequiresReplace) > 0 {
		r.planUnknown(ctx, resp, w)
		resp.Diagnostics.Append(replaceAttributes(&resp.Plan.Raw, map[string]tftypes.Value{"revision": tftypes.NewValue(tftypes.String, revision)})...)
		return
	}

	var had types.String
	var drift types.List
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("revision"), &had)...)
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("drift"), &drift)...)
	unfinished, diags := req.Private.GetKey(ctx, unfinishedKey)
	resp.Diagnostics.Append(diags...)
	if had.ValueString() != revision || len(drift.Elements()) > 0 || len(unfinished) > 0 {
		r.planUnknown(ctx, resp, w)
		resp.Diagnostics.Append(replaceAttributes(&resp.Plan.Raw, map[string]tftypes.Value{"revision": tftypes.NewValue(tftypes.String, revision)})...)
		return
	}
	// Only what no container sees has changed, or nothing: what is computed stays.
	were := map[string]tftypes.Value{}
	for name := range r.kind.computed() {
		were[name] = attributeOf(req.State.Raw, name)
	}
	resp.Diagnostics.Append(replaceAttributes(&resp.Plan.Raw, were)...)
}

// planChanges plans a new instance where the old one cannot change, and says why; and refuses what cannot be done.
func (r *Resource) planChanges(w, former *written, resp *resource.ModifyPlanResponse) {
	replaced, refused := w.spec.Changes(former.spec)
	AddFaults(&resp.Diagnostics, "", refused.Known(w.unknown))
	for _, f := range replaced.Known(w.unknown) {
		p := value.Path(f.Path)
		resp.RequiresReplace = append(resp.RequiresReplace, p)
		resp.Diagnostics.AddAttributeWarning(p, "The instance will be replaced", f.Path+": "+sentence(f.Message))
	}
}

// planUnknown leaves what is computed to the apply, but for what follows from the spec.
func (r *Resource) planUnknown(ctx context.Context, resp *resource.ModifyPlanResponse, w *written) {
	computed, values := r.kind.computed(), map[string]tftypes.Value{}
	for name, a := range computed {
		values[name] = unknownOf(ctx, a.GetType())
	}
	for name, v := range r.kind.planned(w) {
		value, diags := valueOf(ctx, computed[name].GetType(), v)
		resp.Diagnostics.Append(diags...)
		if !diags.HasError() {
			values[name] = value
		}
	}
	resp.Diagnostics.Append(replaceAttributes(&resp.Plan.Raw, values)...)
}

// planned are the computed values that follow from what was written, as far as that is known.
func (k Kind) planned(w *written) map[string]any {
	if k.Planned == nil || len(fault.List{{Path: k.PlannedFrom[0], Needs: k.PlannedFrom}}.Known(w.unknown)) == 0 {
		return nil
	}
	return k.Planned(w.spec)
}

// Keys of the private state.
const (
	// unfinishedKey is there from the moment when the engine has accepted a revision until it was seen to be ready.
	unfinishedKey = "unfinished"
	// appliedKey is the topology that the engine has accepted, in JSON, without secret values.
	appliedKey = "applied"
)

var unfinishedMark = func() []byte { raw, _ := json.Marshal(true); return raw }()
