package provider_test

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/provider"
)

// What is wrong in an action is said before anything is asked of a cluster, and a plan asks nothing.
func TestFaultsOfHandOver(t *testing.T) {
	server, err := providerserver.NewProtocol6WithError(provider.New("test", provider.Options{})())()
	require.NoError(t, err)
	actions, is := server.(tfprotov6.ActionServer)
	require.True(t, is)
	good := object{"of": "web", "namespace": nil, "election": "one", "to": nil, "timeout": nil}
	for _, c := range []struct {
		name   string
		change object
		at     string
	}{
		{"nothing", nil, ""},
		{"all that there is", object{"to": "web-0", "timeout": "90s", "namespace": "shop"}, ""},
		{"no name", object{"of": ""}, "of"},
		{"no election", object{"election": ""}, "election"},
		{"an heir without a name", object{"to": ""}, "to"},
		{"a timeout that is none", object{"timeout": "long"}, "timeout"},
		{"a timeout that is over", object{"timeout": "0s"}, "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := json.Marshal(with(t, good, c.change))
			require.NoError(t, err)
			given := &tfprotov6.DynamicValue{JSON: raw}
			valid, err := actions.ValidateActionConfig(t.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: "pattern_hand_over", Config: given})
			require.NoError(t, err)
			if c.at == "" {
				require.Empty(t, valid.Diagnostics)
				planned, err := actions.PlanAction(t.Context(), &tfprotov6.PlanActionRequest{ActionType: "pattern_hand_over", Config: given})
				require.NoError(t, err)
				assert.Empty(t, planned.Diagnostics)
				return
			}
			require.Len(t, valid.Diagnostics, 1)
			assert.Equal(t, `AttributeName("`+c.at+`")`, valid.Diagnostics[0].Attribute.String())
			assert.Contains(t, valid.Diagnostics[0].Detail, c.at+": must")
		})
	}
}
