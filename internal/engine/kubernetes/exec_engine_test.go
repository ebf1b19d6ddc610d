//go:build engine

package kubernetes

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

func TestEngineRunsCommandsInTheContainersOfReplicas(t *testing.T) {
	s := newStage(t)
	web := s.demo(2)
	none, err := s.engine.Replicas(s.ctx, web, "main", "web")
	require.NoError(t, err)
	assert.Empty(t, none, "before it is there")
	_, err = s.engine.Replicas(s.ctx, web, "main", "nobody")
	require.ErrorIs(t, err, engine.ErrNotFound)
	s.up(web)

	all, err := s.engine.Replicas(s.ctx, web, "main", "web")
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, r := range all {
		ran, err := s.engine.Exec(s.within(20*time.Second), web, r, "web", "/demo", "cat", "/etc/hostname")
		require.NoError(t, err)
		assert.Zero(t, ran.Status)
		assert.Equal(t, r.Name, strings.TrimSpace(string(ran.Stdout)), "it is what it is called in itself")
	}
	ran, err := s.engine.Exec(s.within(20*time.Second), web, all[0], "web", "/demo", "cat", "/nowhere")
	require.NoError(t, err)
	assert.NotZero(t, ran.Status)
	assert.Contains(t, string(ran.Stderr), "no such file")

	_, err = s.engine.Exec(s.within(20*time.Second), web, engine.Replica{Name: "web-gone", ID: "web-gone"}, "web", "/demo", "cat", "/etc/hostname")
	require.ErrorIs(t, err, engine.ErrNotRunning)
	_, err = s.engine.Exec(s.within(20*time.Second), web, all[0], "nobody", "/demo", "cat", "/etc/hostname")
	require.Error(t, err)
	t.Log(err)
	_, err = s.engine.Exec(s.within(20*time.Second), web, all[0], "web", "/nowhere")
	require.Error(t, err)
	t.Log(err)
	_, err = s.engine.Exec(s.within(time.Second), web, all[0], "web", "/demo", "serve", ":8099")
	require.ErrorContains(t, err, "deadline")

	// By service accounts with less and less right.
	file, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	require.NoError(t, err)
	cluster := file.Clusters[file.Contexts[file.CurrentContext].Cluster]
	ca := cluster.CertificateAuthorityData
	if len(ca) == 0 {
		ca, err = os.ReadFile(cluster.CertificateAuthority)
		require.NoError(t, err)
	}
	by := func(account string) (*engine.Ran, error) {
		e := New(Config{Host: cluster.Server, ClusterCACertificate: string(ca), Namespace: s.namespace, Token: s.kubectl("create", "token", account)})
		return e.Exec(s.within(20*time.Second), web, all[0], "web", "/demo", "cat", "/etc/hostname")
	}
	s.kubectl("create", "serviceaccount", "operator")
	s.kubectl("create", "role", "operator", "--verb=create", "--resource=pods/exec")
	s.kubectl("create", "rolebinding", "operator", "--role=operator", "--serviceaccount="+s.namespace+":operator")
	s.permitted("operator", "create", "pods", "--subresource=exec")
	ran, err = by("operator")
	require.NoError(t, err, "the right to create is enough")
	assert.Equal(t, all[0].Name, strings.TrimSpace(string(ran.Stdout)))

	s.kubectl("create", "serviceaccount", "reader")
	s.kubectl("create", "rolebinding", "reader", "--clusterrole=view", "--serviceaccount="+s.namespace+":reader")
	_, err = by("reader")
	var denied *engine.NotPermittedError
	require.ErrorAs(t, err, &denied)
	assert.Contains(t, denied.Error(), `the verb "create" on "pods/exec" in the namespace `+s.namespace)
	t.Log(err)
}
