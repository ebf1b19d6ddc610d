// Package provider is the provider as Terraform sees it: its configuration, and the resources, data sources, actions and
// functions that it offers.
package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/container-patterns/terraform-provider-pattern/internal/provider/functions"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/handover"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/leaderelection"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/leaders"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/manifest"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/scattergather"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/sidecar"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/workqueue"
)

// Kinds are the patterns, each a resource. A new one is added here and nowhere else in this package.
func Kinds() []instance.Kind {
	return []instance.Kind{
		sidecar.Kind(),
		workqueue.Kind(),
		scattergather.Kind(),
		leaderelection.Kind(),
	}
}

// Provider is the provider.
type Provider struct {
	version string
	options Options
}

// Options are for tests: they see what the provider does.
type Options struct {
	// WrapTransport sees every request to an engine.
	WrapTransport Wrapper
}

var (
	_ provider.ProviderWithActions        = (*Provider)(nil)
	_ provider.ProviderWithFunctions      = (*Provider)(nil)
	_ provider.ProviderWithValidateConfig = (*Provider)(nil)
)

// New gives the constructor of a version.
func New(version string, o Options) func() provider.Provider {
	return func() provider.Provider { return &Provider{version: version, options: o} }
}

// Metadata names the provider.
func (p *Provider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "pattern", p.version
}

// ValidateConfig finds out whether exactly one engine is configured.
func (p *Provider) ValidateConfig(_ context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	c, unknown, err := readConfig(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Invalid provider configuration", err.Error())
		return
	}
	addFaults(&resp.Diagnostics, c.validate().Known(unknown))
}

// Configure makes the engine, without any request to it.
func (p *Provider) Configure(_ context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	c, unknown, err := readConfig(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Invalid provider configuration", err.Error())
		return
	}
	addFaults(&resp.Diagnostics, c.validate().Known(unknown))
	if resp.Diagnostics.HasError() {
		return
	}
	target := c.target(unknown, p.version, p.options)
	resp.ResourceData, resp.DataSourceData, resp.ActionData = target, target, target
}

// Resources of the provider: one for each pattern.
func (p *Provider) Resources(context.Context) []func() resource.Resource {
	var all []func() resource.Resource
	for _, k := range Kinds() {
		all = append(all, instance.New(k))
	}
	return all
}

// DataSources of the provider.
func (p *Provider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{manifest.New(Kinds()), leaders.New(Kinds())}
}

// Actions of the provider, which Terraform invokes since 1.14.
func (p *Provider) Actions(context.Context) []func() action.Action {
	return []func() action.Action{handover.New(Kinds())}
}

// Functions of the provider.
func (p *Provider) Functions(context.Context) []func() function.Function {
	return functions.All()
}
