//go:build engine

package elector

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

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

func TestOnKubernetes(t *testing.T) {
	if os.Getenv("KUBECONFIG") == "" {
		t.Skip("only Nomad is up")
	}
	succession(t, Plan{Sites: onKubernetes, Faults: Faults, Calm: quick.Duration.Std()})
}

func TestOnNomad(t *testing.T) {
	if os.Getenv("NOMAD_ADDR") == "" {
		t.Skip("only Kubernetes is up")
	}
	succession(t, Plan{Sites: onNomad, Faults: Faults, Calm: quick.Duration.Std()})
}

func onNomad(t testing.TB, electors int, _ []string) (all []Site) {
	admin, err := api.NewClient(api.DefaultConfig())
	require.NoError(t, err)
	at, err := url.Parse(os.Getenv("NOMAD_ADDR"))
	require.NoError(t, err)
	path := fmt.Sprintf("nomad/jobs/test-%d/elections", time.Now().UnixNano())
	t.Cleanup(func() {
		list, _, err := admin.Variables().PrefixList(path, nil)
		require.NoError(t, err)
		for _, v := range list {
			_, err := admin.Variables().Delete(v.Path, nil)
			require.NoError(t, err)
		}
	})
	for range electors {
		link := NewLink(t, at.Host)
		all = append(all, Site{
			Backend: config.Backend{Nomad: &config.Nomad{Path: path}}, Env: []string{"NOMAD_ADDR=http://" + link.Address()}, Links: []*Link{link},
		})
	}
	return all
}

func onKubernetes(t testing.TB, electors int, records []string) (all []Site) {
	namespace, account := fmt.Sprintf("test-%d", time.Now().UnixNano()), t.TempDir()
	kubectl(t, "", "create", "namespace", namespace)
	t.Cleanup(func() { kubectl(t, "", "delete", "namespace", namespace, "--wait=false") })
	kubectl(t, objects(records), "-n", namespace, "apply", "-f", "-")
	cluster := func(field string) string {
		return kubectl(t, "", "config", "view", "--raw", "--flatten", "-o", "jsonpath={.clusters[0].cluster."+field+"}")
	}
	authority, err := base64.StdEncoding.DecodeString(cluster("certificate-authority-data"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"token": kubectl(t, "", "-n", namespace, "create", "token", "web"), "namespace": namespace, "ca.crt": string(authority),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(account, name), []byte(text), 0o600))
	}
	at, err := url.Parse(cluster("server"))
	require.NoError(t, err)
	for range electors {
		link := NewLink(t, at.Host)
		_, port, _ := strings.Cut(link.Address(), ":")
		all = append(all, Site{
			Backend: config.Backend{Kubernetes: &config.Kubernetes{Prefix: "web", Account: account}}, Links: []*Link{link},
			Env: []string{"KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=" + port}, // which its certificate is for, too
		})
	}
	return all
}

func kubectl(t testing.TB, input string, args ...string) string {
	t.Helper()
	command := exec.Command("kubectl", args...) //nolint:gosec // of a test
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "kubectl %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// objects are the Leases that the provider makes, and a grant to read and patch them by their names.
func objects(records []string) string {
	var all strings.Builder
	for _, name := range records {
		fmt.Fprintf(&all, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: web-%s}\n---\n", name)
	}
	return all.String() + `
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [web-` + strings.Join(records, ", web-") + `], verbs: [get, watch, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web}]
`
}

func init() { engines = true }
