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

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/value"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
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
		"kubernetes": schema.StringAttribute{Computed: true, MarkdownDescription: "Kubernetes objects as YAML documents, for `kubectl apply --server-side -f -`. Empty, with a warning, where Kubernetes cannot do what is asked."},
		"nomad":      schema.StringAttribute{Computed: true, MarkdownDescription: "Nomad job as JSON, for `nomad job run -json -`. A core counts `mhz_per_core` of the provider's `nomad`, or 1000 MHz. Empty, with a warning, where Nomad cannot do what is asked."},
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
	given, _ := d.written(req.Config.Raw)
	for kind, raw := range given {
		t, faults, err := d.kinds[kind].Topology(raw, d.target.Settings)
		if err != nil {
			resp.Diagnostics.AddAttributeError(path.Root(kind), "Invalid configuration", err.Error())
			return
		}
		instance.AddFaults(&resp.Diagnostics, kind, faults)
		if len(faults) > 0 {
			return
		}
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("revision"), t.Revision())...)
		for engine, translator := range d.target.Translators {
			text, warnings, err := translate(translator, t)
			for _, f := range warnings {
				resp.Diagnostics.AddAttributeWarning(value.Path(fault.Join(kind, f.Path)), "Not for "+engine, f.Error()+".")
			}
			if err != nil {
				resp.Diagnostics.AddAttributeError(path.Root(kind), "Cannot translate for "+engine, err.Error())
			}
			resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(engine), text)...)
		}
	}
}

// translate for one engine. What it cannot do leaves the text empty, and says why; that of the other is of use all the same.
func translate(to instance.Translator, t *topology.Topology) (text string, cannot fault.List, err error) {
	if cannot = to.Check(t); len(cannot) > 0 {
		return "", cannot, nil
	}
	raw, err := to.Manifest(t)
	return string(raw), nil, err
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
