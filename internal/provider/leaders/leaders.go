// Package leaders is the data source pattern_leaders: who leads the elections of an instance.
package leaders

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// DataSource reads what electors share.
type DataSource struct{ target instance.Target }

var _ datasource.DataSourceWithConfigure = (*DataSource)(nil)

// New DataSource.
func New() datasource.DataSource { return &DataSource{} }

// model of the data source.
type model struct {
	Name      string            `tfsdk:"name"`
	Namespace *string           `tfsdk:"namespace"`
	Leaders   map[string]leader `tfsdk:"leaders"`
	Members   []string          `tfsdk:"members"`
}

type leader struct {
	Member string `tfsdk:"member"`
	Term   int64  `tfsdk:"term"`
}

// Metadata names the data source.
func (d *DataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_leaders"
}

// Schema of the data source.
func (d *DataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Who leads the elections of an instance, as its electors have written it last. To hand over, ask an elector: `POST /v1/elections/NAME/resign?to=MEMBER` from within the leader's group. " +
			"With `elector.backend = \"raft\"` the electors keep this to themselves, and nothing is known here.",
		Attributes: map[string]schema.Attribute{
			"name":      schema.StringAttribute{Required: true, MarkdownDescription: "Name of the instance, of whatever pattern."},
			"namespace": schema.StringAttribute{Optional: true, MarkdownDescription: "Namespace of the engine. Default: the provider's."},
			"leaders": schema.MapNestedAttribute{
				Computed:            true,
				MarkdownDescription: "By the name of the election; one of a set is `SET/SHARD`. In patterns of several groups the name begins with `GROUP-`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"member": schema.StringAttribute{Computed: true, MarkdownDescription: "The replica that leads (`PATTERN_MEMBER` in it); empty if none does."},
					"term":   schema.Int64Attribute{Computed: true, MarkdownDescription: "The fencing token of whoever leads, or led last."},
				}},
			},
			"members": schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Replicas that take part."},
		},
	}
}

// Configure takes the engine.
func (d *DataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if t, ok := req.ProviderData.(instance.Target); ok {
		d.target = t
	}
}

// Read asks the engine.
func (d *DataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m model
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if d.target.Engine == nil {
		resp.Diagnostics.AddError("No engine", "The provider's configuration is not known yet, and so nobody can be asked who leads.")
		return
	}
	key := topology.Key{Name: m.Name}
	if m.Namespace != nil {
		key.Namespace = *m.Namespace
	}
	records, err := d.target.Engine.Elections(ctx, key)
	if err != nil {
		instance.AddError(&resp.Diagnostics, d.target, "leaders", "read", key, err)
		return
	}
	found, members := elections.Leaders(records)
	m.Leaders, m.Members = map[string]leader{}, members
	for name, l := range found {
		m.Leaders[name] = leader{l.Member, int64(l.Term)}
	}
	if len(records) == 0 {
		m.Members = []string{}
		resp.Diagnostics.AddAttributeWarning(path.Root("name"), "No elections", "There is no instance \""+m.Name+"\" with elections, or its electors keep them to themselves (elector.backend = \"raft\").")
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}
