package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestDataThatIsToBeKeptAfterAllIsNotDeletable(t *testing.T) {
	former := []string{"web-data[0]", "web-data[1]", "web-cache", "web-database"}
	assert.Equal(t, []string{"web-cache", "web-database"}, deletable(former, []HostVolume{{Name: "web-data"}, {Name: "web-cache", Delete: true}}))
}

func TestValuesAreWrittenOnlyWithANewVersion(t *testing.T) {
	secret := topology.Secret{Name: "login", Version: "1", Values: map[string]string{"password": "new"}, Keys: []string{"password"}}
	was := stored{items: api.VariableItems{secretItem("login", "password"): "old"}, record: &record{Secrets: map[string]string{"login": "1"}}}
	top := &topology.Topology{Secrets: []topology.Secret{secret}}

	items, err := wanted(&Plan{}, top, was)
	require.NoError(t, err)
	assert.Equal(t, "old", items[secretItem("login", "password")], "the version is the same")

	top.Secrets[0].Version = "2"
	items, err = wanted(&Plan{}, top, was)
	require.NoError(t, err)
	assert.Equal(t, "new", items[secretItem("login", "password")])
	assert.Equal(t, map[string]string{"login": "2"}, writtenSecrets(top, was.record))

	top.Secrets[0].Version, top.Secrets[0].Values = "1", nil // a rollback has no values
	assert.Empty(t, writtenSecrets(top, &record{Secrets: map[string]string{"login": "2"}}), "what the variable holds is of another version than the wanted one")
	assert.Equal(t, map[string]string{"login": "1"}, writtenSecrets(top, &record{Secrets: map[string]string{"login": "1"}}))
}
