//go:build engine

package nomad

import (
	"context"
	"errors"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestSecretsReachEnvAndFilesAndAreGeneratedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	top.Secrets = []topology.Secret{
		{Name: "db", Version: "1", Keys: []string{"password"}, Values: map[string]string{"password": "p\"a$s${NOMAD_JOB_ID}\n#ü<&>\u2028\\n'`{{ .X }}"}},
		{Name: "made", Generate: map[string]int{"key": 32}},
	}
	g := &top.Groups[0]
	g.Volumes = []topology.Volume{{Name: "db", Secret: &topology.SecretVolume{Name: "db", Own: true}}}
	c := &g.Containers[0]
	c.Mounts = []topology.Mount{{Volume: "db", Path: "/run/db"}}
	c.Env = append(c.Env,
		topology.Env{Name: "PASSWORD", Secret: &topology.SecretKey{Name: "db", Key: "password", Own: true}},
		topology.Env{Name: "KEY", Secret: &topology.SecretKey{Name: "made", Key: "key", Own: true}})
	r.up(top)
	want := top.Secrets[0].Values["password"]
	assert.Equal(t, want, r.ask(top, "/env", "name", "PASSWORD"))
	assert.Equal(t, want, r.ask(top, "/file", "path", "/run/db/password"))
	made := r.ask(top, "/env", "name", "KEY")
	assert.Len(t, made, 43, "32 bytes in base64")
	alloc := r.allocs(top)[0].ID

	// The next apply knows no values, as they are write-only.
	top.Secrets[0].Values = nil
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	assert.Equal(t, want, r.ask(top, "/env", "name", "PASSWORD"))
	assert.Equal(t, made, r.ask(top, "/env", "name", "KEY"))
	assert.Equal(t, alloc, r.allocs(top)[0].ID)
	assert.Empty(t, r.observe(top).Drift)

	top.Secrets[0].Version, top.Secrets[0].Values = "2", map[string]string{"password": "second"}
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	r.eventually(30, func() bool { a := r.allocs(top); return len(a) == 1 && a[0].ID != alloc }, "another version replaces the replica")
	assert.Equal(t, "second", r.ask(top, "/env", "name", "PASSWORD"))
	assert.Equal(t, made, r.ask(top, "/env", "name", "KEY"))

	v, _, err := r.client.Variables().Read(variablePath(top.Name), nil)
	require.NoError(t, err)
	assert.NotContains(t, v.Items[recordItem], "second", "no secret in the record")
	delete(v.Items, secretItem("db", "password"))
	_, _, err = r.client.Variables().Update(v, nil)
	require.NoError(t, err)
	top.Secrets[0].Values = nil
	o := r.observe(top)
	require.Len(t, o.Drift, 1)
	assert.Equal(t, "secret/db/password", o.Drift[0].Field)
	var rejected *engine.RejectedError
	require.True(t, errors.As(r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}), &rejected))
	assert.Contains(t, rejected.Reason, `"password"`)
}

func TestAVariableOfOthersIsReadByAPolicyBoundToTheJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	path := "test/" + top.Name
	_, _, err := r.client.Variables().Create(&api.Variable{Path: path, Items: api.VariableItems{"token": "theirs"}}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.client.Variables().Delete(path, nil) })
	c := &top.Groups[0].Containers[0]
	c.Env = append(c.Env, topology.Env{Name: "TOKEN", Secret: &topology.SecretKey{Name: path, Key: "token"}})
	r.up(top)
	assert.Equal(t, "theirs", r.ask(top, "/env", "name", "TOKEN"))
	assert.Equal(t, "", r.ask(top, "/env", "name", "NOMAD_TOKEN"), "a container without grants has no credentials")
	policy := policyName(topology.Key{Namespace: "default", Name: top.Name}, "main")
	_, _, err = r.client.ACLPolicies().Info(policy, nil)
	require.NoError(t, err)

	c.Env = c.Env[:1]
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	_, _, err = r.client.ACLPolicies().Info(policy, nil)
	assert.Equal(t, 404, status(err), "a policy that no group needs goes")
}

func TestGrantsAreWhatTheTokenOfTheContainerMayDo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Grants = []topology.Grant{{Verb: topology.GrantElect, Names: []string{"leader"}}, {Verb: topology.GrantScale}}
	r.up(top)
	token := r.ask(top, "/env", "name", "NOMAD_TOKEN")
	require.NotEmpty(t, token)
	theirs := New(Config{Token: token})
	c, err := theirs.connect()
	require.NoError(t, err)
	write := func(path string) error {
		_, _, err := c.Variables().Create(&api.Variable{Path: path, Items: api.VariableItems{"a": "b"}}, nil)
		return err
	}
	require.NoError(t, write(ElectionPath(top.Name, "leader")))
	assert.Equal(t, 403, status(write(ElectionPath(top.Name, "other"))))
	assert.Equal(t, 403, status(write("elsewhere/"+top.Name)))
	two := 2
	_, _, err = c.Jobs().Scale(top.Name, "main", &two, "test", false, nil, nil)
	require.NoError(t, err)
	_, _, err = c.Jobs().Deregister(top.Name, false, nil)
	assert.Equal(t, 403, status(err))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, r.engine.Delete(ctx, top.Key()))
	_, _, err = r.client.ACLPolicies().Info(policyName(topology.Key{Namespace: "default", Name: top.Name}, "main"), nil)
	assert.Equal(t, 404, status(err), "the policy goes with the instance")
}

func TestAPolicyThatTheTokenMayNotWriteIsExplained(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	name := "test-" + top.Name
	_, err := r.client.ACLPolicies().Upsert(&api.ACLPolicy{Name: name, Rules: `namespace "default" { policy = "write" variables { path "*" { capabilities = ["write", "read", "list", "destroy"] } } } node { policy = "read" }`}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.client.ACLPolicies().Delete(name, nil) })
	token, _, err := r.client.ACLTokens().Create(&api.ACLToken{Name: name, Type: "client", Policies: []string{name}}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.client.ACLTokens().Delete(token.AccessorID, nil) })
	e := New(Config{Token: token.SecretID})

	require.NoError(t, e.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}), "a namespace's token is enough where no policy is needed")
	top.Groups[0].Grants = []topology.Grant{{Verb: topology.GrantObserve}}
	var config *engine.ConfigError
	require.True(t, errors.As(e.Apply(within(t, 30), top, engine.ApplyOptions{}), &config))
	assert.Equal(t, "token", config.Attribute)
	assert.Contains(t, config.Detail, "management token")
}
