// Package manifest is the data source pattern_manifest: what an instance would become, without a cluster.
package manifest

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/internal/engine/nomad"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/value"
)

// DataSource translates one instance, of any kind.
type DataSource struct {
	kinds  map[string]instance.Kind
	target instance.Target
}

var (
	_ datasource.DataSourceWithConfigure      = (*DataSource)(nil)
	_ datasource.DataSourceWithValidateConfig = (*DataSource)(nil)
)

// New gives the constructor.
func New(kinds []instance.Kind) func() datasource.DataSource {
	byName := map[string]instance.Kind{}
	for _, k := range kinds {
		byName[k.Name] = k
	}
	return func() datasource.DataSource { return &DataSource{kinds: byName} }
}

// Metadata names the data source.
func (d *DataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_manifest"
}

// Schema has one object for each kind, with the attributes of its resource.
func (d *DataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	all := map[string]schema.Attribute{
		"kubernetes": schema.StringAttribute{Computed: true, MarkdownDescription: "Kubernetes objects as YAML documents, for `kubectl apply --server-side -f -`."},
		"nomad":      schema.StringAttribute{Computed: true, MarkdownDescription: "Nomad job as JSON, for `nomad job run -json -`."},
		"revision":   schema.StringAttribute{Computed: true, MarkdownDescription: "The revision that the resource would have."},
	}
	for name, k := range d.kinds {
		all[name] = schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "The attributes of a `pattern_" + name + "`.",
			Attributes:          attributes.ForDataSource(attributes.Merged(attributes.Instance(), k.Attributes)),
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What an instance of a pattern would become, as Kubernetes YAML and as Nomad job JSON, for review and for GitOps. No cluster is asked. Secrets appear without values.",
		Attributes:          all,
	}
}

// Configure takes the images and defaults that the provider has configured.
func (d *DataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if t, ok := req.ProviderData.(instance.Target); ok {
		d.target = t
	}
}

// ValidateConfig shows every fault of the instance, as its resource would.
func (d *DataSource) ValidateConfig(_ context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	names := slices.Sorted(maps.Keys(d.kinds))
	written, ok := d.written(req.Config.Raw)
	if !ok {
		return
	}
	if len(written) != 1 {
		resp.Diagnostics.AddAttributeError(path.Root(names[0]), "Invalid configuration", "Exactly one instance must be given.")
		return
	}
	for name, raw := range written {
		if faults, err := d.kinds[name].Validate(raw); err == nil {
			instance.AddFaults(&resp.Diagnostics, name, faults)
		}
	}
}

// Read translates.
func (d *DataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	resp.State.Raw = req.Config.Raw
	written, _ := d.written(req.Config.Raw)
	for name, raw := range written {
		t, faults, err := d.kinds[name].Topology(raw, d.target.Settings)
		if err != nil {
			resp.Diagnostics.AddAttributeError(path.Root(name), "Invalid configuration", err.Error())
			return
		}
		instance.AddFaults(&resp.Diagnostics, name, faults)
		if len(faults) > 0 {
			return
		}
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("revision"), t.Revision())...)
		for _, e := range []struct {
			name   string
			check  func() []fault.Fault
			render func() ([]byte, error)
		}{
			{"kubernetes", func() []fault.Fault { return kubernetes.New(kubernetes.Config{}).Check(t) }, func() ([]byte, error) { return kubernetes.Manifest(t, kubernetes.Options{}) }},
			{"nomad", func() []fault.Fault { return nomad.New(nomad.Config{}).Check(t) }, func() ([]byte, error) { return nomad.Manifest(t, nomad.Options{}) }},
		} {
			// What one engine cannot do leaves its attribute empty, and says why; the other is of use all the same.
			if faults := e.check(); len(faults) > 0 {
				for _, f := range faults {
					resp.Diagnostics.AddAttributeWarning(value.Path(fault.Join(name, f.Path)), "Not for "+e.name, f.Error())
				}
				resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(e.name), "")...)
				continue
			}
			text, err := e.render()
			if err != nil {
				resp.Diagnostics.AddAttributeError(path.Root(name), "Cannot translate for "+e.name, err.Error())
				continue
			}
			resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(e.name), string(text))...)
		}
	}
}

// written are the instances that were given, by kind.
func (d *DataSource) written(raw tftypes.Value) (map[string]tftypes.Value, bool) {
	var all map[string]tftypes.Value
	if raw.As(&all) != nil {
		return nil, false
	}
	out := map[string]tftypes.Value{}
	for name := range d.kinds {
		switch v := all[name]; {
		case !v.IsKnown():
			return nil, false
		case !v.IsNull():
			out[name] = v
		}
	}
	return out, true
}
