// Package leaders is the data source pattern_leaders: who leads the elections of an instance.
package leaders

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/electors"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// DataSource reads what electors share, and asks those that share it with nobody else.
type DataSource struct {
	kinds  []instance.Kind
	target instance.Target
}

var _ datasource.DataSourceWithConfigure = (*DataSource)(nil)

// New gives the constructor of the data source of instances of these patterns.
func New(kinds []instance.Kind) func() datasource.DataSource {
	return func() datasource.DataSource { return &DataSource{kinds: kinds} }
}

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
		MarkdownDescription: "Who leads the elections of an instance, as its electors have written it last. To hand over, there is the action `pattern_hand_over`. " +
			"With `elector.backend = \"raft\"` the electors keep it to themselves, and one of them is asked by a command in its container: the provider's credentials need `create` on `pods/exec` (Kubernetes) or the capability `alloc-exec` (Nomad); without it there is a warning, and nothing is known.",
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
	if err := d.ask(ctx, key, &m); err != nil {
		resp.Diagnostics.AddAttributeWarning(path.Root("name"), "Electors cannot be asked", "Of "+m.Name+" it is not known who leads what its electors keep to themselves (elector.backend = \"raft\"): "+err.Error()+".")
	} else if len(records) == 0 && len(m.Leaders) == 0 {
		resp.Diagnostics.AddAttributeWarning(path.Root("name"), "No elections", "There is no instance \""+m.Name+"\" with elections, or none of its electors has run yet.")
	}
	if m.Members == nil {
		m.Members = []string{}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}

// ask the electors that keep to themselves who leads. Who takes part are the replicas whose electors run.
func (d *DataSource) ask(ctx context.Context, key topology.Key, m *model) error {
	i, err := electors.Find(ctx, d.target.Engine, d.kinds, d.target.Settings, key)
	if err != nil {
		return err
	}
	asked := map[string]bool{} // groups
	for _, p := range i.Places {
		if !p.Raft || asked[p.Group] {
			continue
		}
		asked[p.Group] = true
		replicas, err := d.target.Engine.Replicas(ctx, i.Topology, p.Group, elections.ContainerName)
		if err != nil {
			return err
		}
		for _, r := range replicas {
			m.Members = append(m.Members, r.Name)
		}
		all := map[string]elections.Known{}
		err = electors.Leaders(ctx, d.target.Engine, i.Topology, replicas, electors.Within, func(answer map[string]elections.Known) bool {
			settled := true
			for name, is := range answer {
				if was, known := all[name]; !known || is.Term > was.Term || is.Term == was.Term && was.Leader == "" {
					all[name] = is
				}
				settled = settled && all[name].Leader != ""
			}
			return settled // else another one may know more
		})
		if err != nil {
			return err
		}
		for name, at := range i.Places {
			if is, known := all[at.Election]; known && at.Group == p.Group {
				m.Leaders[name] = leader{is.Leader, int64(is.Term)}
			}
		}
	}
	slices.Sort(m.Members)
	return nil
}
