//go:build acceptance

package acceptance

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/provider"
)

// invoke an action as Terraform does since 1.14, by the provider's protocol: validate, configure, plan, invoke. It tells of the progress,
// and what was wrong.
func (s *stage) invoke(action string, config object) (progress []string, wrong []*tfprotov6.Diagnostic) {
	s.Helper()
	server, err := providerserver.NewProtocol6WithError(provider.New("test", provider.Options{})())()
	require.NoError(s, err)
	actions, is := server.(tfprotov6.ActionServer)
	require.True(s, is)
	schemas, err := server.GetProviderSchema(s.Context(), &tfprotov6.GetProviderSchemaRequest{})
	require.NoError(s, err)
	schema := schemas.ActionSchemas[action]
	require.NotNil(s, schema, action)

	configured, err := server.ConfigureProvider(s.Context(), &tfprotov6.ConfigureProviderRequest{
		TerraformVersion: "1.14.0", Config: written(s.T, schemas.Provider.ValueType(), s.providerOfThisRun()),
	})
	require.NoError(s, err)
	require.Empty(s, configured.Diagnostics)
	given := written(s.T, schema.Schema.ValueType(), config)
	valid, err := actions.ValidateActionConfig(s.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: action, Config: given})
	require.NoError(s, err)
	planned, err := actions.PlanAction(s.Context(), &tfprotov6.PlanActionRequest{ActionType: action, Config: given})
	require.NoError(s, err)
	if wrong = append(valid.Diagnostics, planned.Diagnostics...); len(wrong) > 0 {
		return nil, wrong
	}
	invoked, err := actions.InvokeAction(s.Context(), &tfprotov6.InvokeActionRequest{ActionType: action, Config: given})
	require.NoError(s, err)
	for event := range invoked.Events {
		switch e := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			s.Log("progress: ", e.Message)
			progress = append(progress, e.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			wrong = append(wrong, e.Diagnostics...)
		}
	}
	for _, d := range wrong {
		s.Log(d.Summary, ": ", d.Detail)
	}
	return progress, wrong
}

// written is a configuration of a type; what it does not set is null.
func written(t *testing.T, as tftypes.Type, config object) *tfprotov6.DynamicValue {
	t.Helper()
	raw, err := json.Marshal(completed(as, config))
	require.NoError(t, err)
	return &tfprotov6.DynamicValue{JSON: raw}
}

func completed(as tftypes.Type, v any) any {
	o, is := as.(tftypes.Object)
	given, set := v.(object)
	if !is || !set {
		return v
	}
	out := object{}
	for name, of := range o.AttributeTypes {
		out[name] = completed(of, given[name])
	}
	return out
}
