// Package inclustertest lets tests ask a real Kubernetes as a Pod does, with a service account that has just the rights that it
// needs.
package inclustertest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
)

// A Rig is a namespace of its own.
type Rig struct {
	*testing.T
	Namespace string
	// Account is the folder of a service account, as Kubernetes mounts it.
	Account string
	name    string
}

// New namespace with these objects, among them the service account of a name. The environment is that of a Pod.
func New(t *testing.T, objects, account string) *Rig {
	t.Helper()
	require.NotEmpty(t, os.Getenv("KUBECONFIG"), `run test/engines/engines.sh up kubernetes, and eval "$(test/engines/engines.sh env)"`)
	r := &Rig{T: t, Namespace: fmt.Sprintf("test-%d", time.Now().UnixNano()), Account: t.TempDir(), name: account}
	r.Kubectl("", "create", "namespace", r.Namespace)
	t.Cleanup(func() { r.Kubectl("", "delete", "namespace", r.Namespace, "--wait=false") })
	r.Kubectl(objects, "apply", "-f", "-")
	r.Write("token", r.Token())
	r.Write("namespace", r.Namespace)
	cluster := func(field string) string {
		return r.Kubectl("", "config", "view", "--raw", "--flatten", "-o", "jsonpath={.clusters[0].cluster."+field+"}")
	}
	authority, err := base64.StdEncoding.DecodeString(cluster("certificate-authority-data"))
	require.NoError(t, err)
	r.Write("ca.crt", string(authority))
	server, err := url.Parse(cluster("server"))
	require.NoError(t, err)
	t.Setenv(incluster.EnvHost, server.Hostname())
	t.Setenv(incluster.EnvPort, server.Port())
	return r
}

// Kubectl in the namespace, with the rights of an administrator.
func (r *Rig) Kubectl(input string, args ...string) string {
	r.Helper()
	if args[0] != "config" && args[1] != "namespace" {
		args = append([]string{"-n", r.Namespace}, args...)
	}
	command := exec.Command("kubectl", args...) //nolint:gosec // of a test
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	require.NoError(r, err, "kubectl %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// Token of the service account, a new one.
func (r *Rig) Token() string { return r.Kubectl("", "create", "token", r.name) }

// Write a file of the service account's folder.
func (r *Rig) Write(name, text string) {
	require.NoError(r, os.WriteFile(filepath.Join(r.Account, name), []byte(text), 0o600))
}
