package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Create applies the instance and waits until it is ready. The state is there from the moment when the engine has
// accepted the objects, whatever comes after.
func (r *Resource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	limit, diags := timeout(ctx, req.Plan, timeouts.Value.Create, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	t := r.desired(&resp.Diagnostics, req.Config, req.Plan, limit)
	if resp.Diagnostics.HasError() {
		return
	}
	if _, twice := r.target.Made.LoadOrStore(t.Key(), true); twice {
		resp.Diagnostics.AddAttributeError(path.Root("name"), "Two resources have one name", fmt.Sprintf("pattern_%s %q was already made by this apply: two resources cannot be the same instance. Give one of them another name.", r.kind.Name, importID(t.Key())))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	err := r.target.Engine.Apply(ctx, t, engine.ApplyOptions{Create: true})
	if madeNothing(err) {
		r.target.Made.Delete(t.Key())
		r.addError(&resp.Diagnostics, "create", t.Key(), err)
		return
	}
	resp.State.Raw = req.Plan.Raw
	resp.Diagnostics.Append(remember(ctx, resp.Private, t, true)...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, t.Key())...)
	accepted := engine.Observation{Phase: "progressing", Message: "accepted by the engine"}
	if err != nil {
		accepted = engine.Observation{Phase: "degraded", Message: "accepted in part by the engine"}
	}
	resp.Diagnostics.Append(r.setObserved(ctx, &resp.State, t.Revision(), &accepted, nil)...)
	if err != nil {
		r.addError(&resp.Diagnostics, "create", t.Key(), err)
		return
	}

	waitErr := r.target.Engine.Wait(ctx, t, r.progress(ctx))
	if waitErr == nil {
		waitErr = r.await(ctx, t, req.Plan.Raw, "")
	}
	r.observeInto(ctx, &resp.State, t)
	if waitErr != nil {
		r.addError(&resp.Diagnostics, "create", t.Key(), waitErr)
		return
	}
	resp.Diagnostics.Append(remember(ctx, resp.Private, t, false)...)
}

// madeNothing tells whether a creation has failed before anything of the instance was written.
func madeNothing(err error) bool {
	var exists *engine.ExistsError
	var config *engine.ConfigError
	return errors.As(err, &exists) || errors.As(err, &config)
}

// Read compares the engine with what was last applied. An instance that is gone leaves the state.
func (r *Resource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	if r.target.Engine == nil {
		return // the provider's configuration is unknown: what is in the state is all that is known
	}
	limit, diags := timeout(ctx, req.State, timeouts.Value.Read, defaultReadTimeout)
	resp.Diagnostics.Append(diags...)
	w, err := r.kind.read(req.State.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Cannot read the state of "+r.kind.Name, err.Error())
		return
	}
	applied, diags := req.Private.GetKey(ctx, appliedKey)
	resp.Diagnostics.Append(diags...)
	t := remembered(applied, w.record)
	if t == nil { // imported
		t = r.topology(w, w.record)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	o, err := r.target.Engine.Observe(ctx, t)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		tflog.Warn(ctx, "instance is gone", map[string]any{"namespace": t.Namespace, "name": t.Name})
		resp.State.RemoveResource(ctx)
		// The framework wants an identity of every read, also of one that has found nothing.
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, t.Key())...)
	case err != nil:
		r.addError(&resp.Diagnostics, "read", t.Key(), err)
	default:
		resp.Diagnostics.Append(r.setObserved(ctx, &resp.State, o.Revision, o, r.reported(ctx, t, w.spec))...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, t.Key())...)
	}
}

// Update applies the new revision and waits for it. One that does not become ready is rolled back to what was applied
// before, unless the user wants otherwise.
func (r *Resource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	limit, diags := timeout(ctx, req.Plan, timeouts.Value.Update, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	t := r.desired(&resp.Diagnostics, req.Config, req.Plan, limit)
	if resp.Diagnostics.HasError() {
		return
	}
	was, diags := req.Private.GetKey(ctx, appliedKey)
	resp.Diagnostics.Append(diags...)
	former, err := r.kind.read(req.State.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Cannot read the state of "+r.kind.Name, err.Error())
		return
	}
	unlimited := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	before := r.reportBefore(ctx, t, req.Plan.Raw)
	if err := r.applyRepairing(ctx, t, req.State); err != nil {
		r.addError(&resp.Diagnostics, "update", t.Key(), err)
		return // the state stays as it was, so that the next plan shows the same change
	}
	resp.Diagnostics.Append(remember(ctx, resp.Private, t, true)...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, t.Key())...)
	planned := req.Plan.Raw
	resp.State.Raw = planned
	computed := !attributeOf(planned, "status").IsKnown()
	if computed {
		resp.Diagnostics.Append(r.setObserved(ctx, &resp.State, t.Revision(), &engine.Observation{Phase: "progressing", Message: "accepted by the engine"}, nil)...)
	}

	waitErr := r.target.Engine.Wait(ctx, t, r.progress(ctx))
	if waitErr == nil {
		if err := r.await(ctx, t, planned, before); err != nil { // what runs is as it should be: there is nothing to roll back
			r.observeInto(ctx, &resp.State, t)
			r.addError(&resp.Diagnostics, "update", t.Key(), err)
			return
		}
		if computed {
			r.observeInto(ctx, &resp.State, t)
		}
		resp.Diagnostics.Append(remember(ctx, resp.Private, t, false)...)
		return
	}
	back := remembered(was, former.record)
	if back == nil { // imported, and not applied since
		back = r.topology(former, former.record)
	}
	if back.Revision() != t.Revision() && wantsRollback(t.Spec) && unlimited.Err() == nil {
		r.rollBack(unlimited, req, resp, back, limit, waitErr)
		return
	}
	r.observeInto(ctx, &resp.State, t)
	r.addError(&resp.Diagnostics, "update", t.Key(), waitErr)
}

// desired is the topology of a configuration, or errors.
func (r *Resource) desired(to errorSink, config tfsdk.Config, plan tfsdk.Plan, limit time.Duration) *topology.Topology {
	if r.target.Engine == nil {
		to.AddError("The provider is not configured", "Its configuration is still unknown at apply: it must not depend on what this apply makes.")
		return nil
	}
	w, err := r.kind.read(config.Raw) // with the write-only values
	if err != nil {
		to.AddError("Invalid configuration", err.Error())
		return nil
	}
	recorded, err := r.kind.read(plan.Raw) // without them
	if err != nil {
		to.AddError("Invalid configuration", err.Error())
		return nil
	}
	if faults := w.spec.Validate(); len(faults) > 0 {
		for _, f := range faults {
			to.AddError("Invalid configuration", f.Error())
		}
		return nil
	}
	t := r.topology(w, recorded.record)
	bound(t, limit)
	return t
}

// bound lets one timeout rule the apply.
func bound(t *topology.Topology, limit time.Duration) {
	for i := range t.Groups {
		t.Groups[i].Update.ProgressSeconds = int(limit.Seconds())
	}
}

type errorSink interface{ AddError(summary, detail string) }

// observeInto writes what is there into the state; when it cannot be observed, the state keeps what is known.
func (r *Resource) observeInto(ctx context.Context, state *tfsdk.State, t *topology.Topology) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	o, err := r.target.Engine.Observe(ctx, t)
	if err != nil {
		tflog.Warn(ctx, "cannot observe the instance", map[string]any{"error": err.Error()})
		return
	}
	w, err := r.kind.read(state.Raw)
	if err != nil {
		tflog.Warn(ctx, "cannot read the state", map[string]any{"error": err.Error()})
		return
	}
	r.setObserved(ctx, state, t.Revision(), o, r.reported(ctx, t, w.spec))
}

// Delete removes the instance and waits until it is gone.
func (r *Resource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	if r.target.Engine == nil {
		resp.Diagnostics.AddError("The provider is not configured", "Its configuration is still unknown, so the instance cannot be reached to be deleted.")
		return
	}
	limit, diags := timeout(ctx, req.State, timeouts.Value.Delete, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	key, diags := r.keyOf(ctx, req.State)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	if _, again := r.target.Made.Load(key); again {
		// create_before_destroy: the new resource has taken up the same instance, since a name is one instance.
		resp.Diagnostics.AddWarning(fmt.Sprintf("pattern_%s %q stays", r.kind.Name, importID(key)),
			"It was taken up by the resource that replaces this one (create_before_destroy). An instance is known by its name, so it cannot be there twice: it was changed in place and is not destroyed.")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := r.target.Engine.Delete(ctx, key); err != nil {
		r.addError(&resp.Diagnostics, "delete", key, err)
	}
}

func (r *Resource) progress(ctx context.Context) func(string) {
	return func(line string) { tflog.Info(ctx, line) }
}

// setIdentity fills the identity, where Terraform knows of such.
func setIdentity(ctx context.Context, identity *tfsdk.ResourceIdentity, key topology.Key) (diags diagnostics) {
	if identity == nil {
		return nil
	}
	diags.Append(identity.SetAttribute(ctx, path.Root("name"), key.Name)...)
	if key.Namespace != "" {
		diags.Append(identity.SetAttribute(ctx, path.Root("namespace"), key.Namespace)...)
	}
	return diags
}
