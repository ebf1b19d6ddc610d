package instance

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// wantsRollback reads update.rollback, which is true unless written otherwise.
func wantsRollback(record json.RawMessage) bool {
	var spec struct {
		Update struct {
			Rollback *bool `json:"rollback"`
		} `json:"update"`
	}
	return json.Unmarshal(record, &spec) != nil || spec.Update.Rollback == nil || *spec.Update.Rollback
}

// rollBack returns the engine and the state to what was applied before, and says why.
func (r *Resource) rollBack(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse, former *topology.Topology, limit time.Duration, why error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	bound(former, limit)
	revision := former.Revision()
	err := r.target.Engine.Apply(ctx, former, engine.ApplyOptions{})
	if err == nil {
		resp.State.Raw = req.State.Raw
		resp.Diagnostics.Append(remember(ctx, resp.Private, former, true)...)
		err = r.target.Engine.Wait(ctx, former, r.progress(ctx))
		r.observeInto(ctx, &resp.State, former)
	}
	summary, detail := r.explain("update", former.Key(), why)
	if err != nil {
		_, more := r.explain("roll back", former.Key(), err)
		resp.Diagnostics.AddError(summary, detail+"\n\nThe return to revision "+revision+" failed as well:\n\n"+more)
		return
	}
	resp.Diagnostics.Append(remember(ctx, resp.Private, former, false)...)
	resp.Diagnostics.AddError(summary+"; it was rolled back", detail+"\n\nThe instance runs revision "+revision+" again, as before this apply."+secretsNote(req)+" Mend what is wrong and apply again, or set update = { rollback = false } to look at the failing revision.")
}

// secretsNote warns where an instance has secrets of its own: what an update has written of them is not taken back.
func secretsNote(req resource.UpdateRequest) string {
	secrets := attributeOf(req.Plan.Raw, "secrets")
	if secrets.IsNull() || secrets.Equal(attributeOf(req.State.Raw, "secrets")) {
		return ""
	}
	return " Values of secrets that this apply has written stay: the former ones are not known any more."
}
