//go:build engine

package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestCommandsRunInTheContainersOfReplicas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Groups[0].Replicas = new(2)
	top.Groups[0].Containers[0].Env = append(top.Groups[0].Containers[0].Env, topology.Env{Name: "SELF", Field: topology.FieldName})
	none, err := r.engine.Replicas(within(t, 10), top, "main", "main")
	require.NoError(t, err)
	assert.Empty(t, none, "before it is there")
	_, err = r.engine.Replicas(within(t, 10), top, "main", "nobody")
	require.ErrorIs(t, err, engine.ErrNotFound)
	r.up(top)

	all, err := r.engine.Replicas(within(t, 10), top, "main", "main")
	require.NoError(t, err)
	require.Len(t, all, 2)
	own := map[string]string{}
	for _, at := range r.observe(top).Endpoints["http"] {
		own[r.askAt(at, "/env", "name", "SELF")] = at
	}
	for _, one := range all {
		assert.Contains(t, own, one.Name, "it is what it is called in itself")
	}

	ran, err := r.engine.Exec(within(t, 20), top, all[0], "main", "/prog", "fail", "3")
	require.NoError(t, err)
	assert.Equal(t, 3, ran.Status)
	assert.Equal(t, "prog: the database refuses the password\n", string(ran.Stderr))
	assert.Empty(t, ran.Stdout)

	_, err = r.engine.Exec(within(t, 20), top, engine.Replica{Name: "gone", ID: "4b0b1b1e-0000-4000-8000-000000000000"}, "main", "/prog", "once")
	require.ErrorIs(t, err, engine.ErrNotRunning)
	_, err = r.engine.Exec(within(t, 20), top, all[0], "nobody", "/prog", "once")
	require.ErrorContains(t, err, "task not found")
	ran, err = r.engine.Exec(within(t, 20), top, all[0], "main", "/nowhere")
	require.NoError(t, err)
	assert.NotZero(t, ran.Status, "Docker says so")
	_, err = r.engine.Exec(within(t, 1), top, all[0], "main", "/prog", "sleep")
	require.ErrorContains(t, err, "deadline")

	t.Run("by a token that may not", func(t *testing.T) {
		_, err := r.client.ACLPolicies().Upsert(&api.ACLPolicy{Name: top.Name, Rules: `namespace "default" { capabilities = ["read-job", "list-jobs"] }`}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _, _ = r.client.ACLPolicies().Delete(top.Name, nil) })
		token, _, err := r.client.ACLTokens().Create(&api.ACLToken{Name: top.Name, Type: "client", Policies: []string{top.Name}}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _, _ = r.client.ACLTokens().Delete(token.AccessorID, nil) })
		_, err = New(Config{Token: token.SecretID}).Exec(within(t, 20), top, all[0], "main", "/prog", "once")
		var denied *engine.NotPermittedError
		require.ErrorAs(t, err, &denied)
		assert.Contains(t, denied.Error(), "alloc-exec in the namespace default")
		t.Log(err)
		_, err = New(Config{Token: "4b0b1b1e-0000-4000-8000-000000000000"}).Exec(within(t, 20), top, all[0], "main", "/prog", "once")
		var config *engine.ConfigError
		require.ErrorAs(t, err, &config)
		assert.Equal(t, "token", config.Attribute)
	})

	t.Run("over TLS", func(t *testing.T) {
		s := overTLS(t)
		e := New(Config{Address: s.URL, CAPEM: certificate(s)})
		_, err := e.Replicas(within(t, 10), top, "main", "main")
		require.NoError(t, err)
		ran, err := e.Exec(within(t, 20), top, all[0], "main", "/prog", "fail", "3")
		require.NoError(t, err)
		assert.Equal(t, 3, ran.Status)
	})
}
