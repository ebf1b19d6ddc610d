package identity

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

func TestTheConfigurationWinsOverTheEnvironment(t *testing.T) {
	t.Setenv(EnvPattern, "sidecar")
	t.Setenv(EnvInstance, "web")
	t.Setenv(EnvNamespace, "shop")
	t.Setenv(EnvContainer, "")
	id := New("logsaver", settings.Identity{Instance: "front"})
	assert.Equal(t, []string{"sidecar", "front", "shop", "logsaver"}, []string{id.Pattern, id.Instance, id.Namespace, id.Container},
		"a container without a name is called after its image")
	assert.NotEmpty(t, id.Version)
	assert.NotZero(t, id.Started)
}
