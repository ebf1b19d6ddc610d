package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/value"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// ImportState reads the specification that the instance carries, so that the next plan is empty.
func (r *Resource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if r.target.Engine == nil {
		resp.Diagnostics.AddError("The provider is not configured", "Its configuration must be known to import an instance.")
		return
	}
	key := topology.Key{Pattern: r.kind.Name}
	if req.ID == "" && req.Identity != nil {
		var namespace, name types.String
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root("namespace"), &namespace)...)
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root("name"), &name)...)
		key.Namespace, key.Name = namespace.ValueString(), name.ValueString()
	} else {
		key.Namespace, key.Name = parseID(req.ID)
	}
	if key.Name == "" || strings.Contains(key.Name, "/") {
		resp.Diagnostics.AddError("Invalid import ID", fmt.Sprintf("%q is neither NAMESPACE/NAME nor NAME.", req.ID))
		return
	}
	record, err := r.target.Engine.Lookup(ctx, key)
	if errors.Is(err, engine.ErrNotFound) {
		resp.Diagnostics.AddError("Nothing to import", fmt.Sprintf("There is no pattern_%s %q in %s.", r.kind.Name, importID(key), r.target.Engine.Name()))
		return
	}
	if err != nil {
		r.addError(&resp.Diagnostics, "import", key, err)
		return
	}
	d := json.NewDecoder(bytes.NewReader(record.Spec))
	d.UseNumber()
	var decoded any
	if err := d.Decode(&decoded); err != nil {
		resp.Diagnostics.AddError("Cannot import "+importID(key), "The specification that it carries is not readable: "+err.Error())
		return
	}
	raw, err := value.FromJSON(decoded, resp.State.Schema.Type().TerraformType(ctx))
	if err != nil {
		resp.Diagnostics.AddError("Cannot import "+importID(key), "The specification that it carries was written by another version of the provider: "+err.Error())
		return
	}
	resp.State.Raw = raw
	own := key
	if spec, ok := decoded.(map[string]any); ok {
		own.Namespace, _ = spec["namespace"].(string)
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, own)...)
}

func parseID(id string) (namespace, name string) {
	if namespace, name, ok := strings.Cut(id, "/"); ok {
		return namespace, name
	}
	return "", id
}
