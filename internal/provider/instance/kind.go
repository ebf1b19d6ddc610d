// Package instance is the resource that every pattern is: schema, plan, create, read, update, delete and import, written
// once. A pattern adds its attributes and its spec.
package instance

import (
	"context"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/attributes"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Kind is a pattern as Terraform sees it.
type Kind struct {
	// Name without the provider's: "sidecar".
	Name string
	// Description of the resource, in Markdown.
	Description string
	// Attributes besides those of every resource.
	Attributes attributes.Map
	// Computed attributes besides those of every resource, and what computes them: from what was observed, and from the
	// newest report of its work, which is nil where none could be read. What it leaves out stays as it was.
	Computed attributes.Map
	Compute  func(o *engine.Observation, p *patterns.Progress) map[string]any
	// Planned are the values of computed attributes that follow from a spec without faults alone, so that a plan shows
	// them. They rest on the attributes of PlannedFrom: while one of those is unknown, they are.
	Planned     func(patterns.Spec) map[string]any
	PlannedFrom []string
	// Inner are the names of ports that only the instance's own containers ask: they are no endpoints.
	Inner []string
	// New gives an empty spec, to decode into.
	New func() patterns.Spec
}

// Target is what the provider's configuration gives to each instance.
type Target struct {
	// Engine is nil while the provider's configuration is unknown, at plan.
	Engine   engine.Engine
	Settings patterns.Settings
	// Translators say what a topology becomes, without a cluster, by the name of the engine.
	Translators map[string]Translator
	// Made are the keys (topology.Key) of the instances that this process has created.
	Made *sync.Map
}

// A Translator of one engine.
type Translator struct {
	Check    func(*topology.Topology) []engine.Fault
	Manifest func(*topology.Topology) ([]byte, error)
}

// Resource of a kind.
type Resource struct {
	kind   Kind
	target Target
}

var (
	_ resource.ResourceWithConfigure      = (*Resource)(nil)
	_ resource.ResourceWithValidateConfig = (*Resource)(nil)
	_ resource.ResourceWithModifyPlan     = (*Resource)(nil)
	_ resource.ResourceWithImportState    = (*Resource)(nil)
	_ resource.ResourceWithIdentity       = (*Resource)(nil)
)

// New gives the constructor that a provider lists.
func New(k Kind) func() resource.Resource {
	return func() resource.Resource { return &Resource{kind: k} }
}

// Metadata names the resource.
func (r *Resource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.kind.Name
}

// Schema joins the kind's attributes with those of every resource. Version counts changes of the state's form.
func (r *Resource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		Version:             0,
		MarkdownDescription: r.kind.Description,
		Attributes: attributes.Merged(attributes.Instance(), r.kind.Attributes, r.kind.computed(), attributes.Map{
			"timeouts": timeouts.Attributes(ctx, timeouts.Opts{
				Create: true, Read: true, Update: true, Delete: true,
				CreateDescription: "Until the instance is ready. Default: `10m`.",
				ReadDescription:   "Until the engine has answered. Default: `2m`.",
				UpdateDescription: "Until the new revision is ready. Default: `10m`. A rollback takes as long again at the most.",
				DeleteDescription: "Until everything is gone. Default: `10m`.",
			}),
		}),
	}
}

// computed attributes, all of them.
func (k Kind) computed() attributes.Map { return attributes.Merged(attributes.Status(), k.Computed) }

// IdentitySchema is by what an instance is found.
func (r *Resource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{
		Version: 0,
		Attributes: map[string]identityschema.Attribute{
			"namespace": identityschema.StringAttribute{OptionalForImport: true, Description: "Namespace of the engine. Default: the provider's."},
			"name":      identityschema.StringAttribute{RequiredForImport: true, Description: "Name of the instance."},
		},
	}
}

// Configure takes what the provider has configured.
func (r *Resource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if t, ok := req.ProviderData.(Target); ok {
		r.target = t
	}
}
