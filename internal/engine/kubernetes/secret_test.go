package kubernetes

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestSecretsAreMadeOfWhatIsGivenWhatThereIsAndWhatIsGenerated(t *testing.T) {
	have := map[string]any{"password": encode("old"), "key": encode("generated once"), "gone": encode("x")}
	for _, c := range []struct {
		name   string
		secret topology.Secret
		have   map[string]any
		want   map[string]any
		fault  string
	}{
		{"values replace all that there is", topology.Secret{Values: map[string]string{"password": "new"}}, have, map[string]any{"password": encode("new")}, ""},
		{"without values all that there is stays", topology.Secret{Keys: []string{"password"}}, have, have, ""},
		{"what was generated stays beside new values", topology.Secret{Values: map[string]string{"password": "new"}, Generate: map[string]int{"key": 8}}, have,
			map[string]any{"password": encode("new"), "key": encode("generated once")}, ""},
		{"a value that nobody has", topology.Secret{Keys: []string{"password"}}, nil, nil, `"password" is neither given nor in the cluster`},
		{"no values at all", topology.Secret{}, nil, map[string]any{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := secretData(&c.secret, c.have)
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	t.Run("generated values have the entropy asked for, and differ", func(t *testing.T) {
		s := topology.Secret{Generate: map[string]int{"a": 24, "b": 24}}
		got, err := secretData(&s, nil)
		require.NoError(t, err)
		assert.NotEqual(t, got["a"], got["b"])
		text, err := base64.StdEncoding.DecodeString(got["a"].(string))
		require.NoError(t, err)
		raw, err := base64.RawURLEncoding.DecodeString(string(text))
		require.NoError(t, err)
		assert.Len(t, raw, 24)
	})
}
